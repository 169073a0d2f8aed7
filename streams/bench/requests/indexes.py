"""Ways to the 100 nearest items of one vector: ours, exact ones, and the libraries that are installed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.bench.requests.workload import catalog_of
from streams.recommend.base import Floats, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.nearest.coarse import Coarse, within
from streams.recommend.nearest.index import CellIndex
from streams.recommend.sources.reading import largest_products, top

SOUGHT = 100
# Of a graph: neighbours of an item, candidates while it is built and while it is asked.
LINKS, BUILT_BY, ASKED_BY = 16, 128, 512


@dataclass(frozen=True, slots=True)
class Built:
    """search: (dim,) -> the SOUGHT nearest rows. cpu_s: of building. bytes: that it takes, None where unknown."""

    search: Callable[[Floats], npt.NDArray[Any]]
    cpu_s: float
    bytes: int | None


def cells(vectors: Floats, recall: float = 0.97) -> Built:
    """The index of the product."""
    catalog = catalog_of(vectors)
    index, begun, nobody = CellIndex(catalog, recall), time.process_time(), ~catalog.live
    index.follow()
    cpu_s = time.process_time() - begun

    def search(vector: Floats) -> Rows:
        return _best(vector, catalog, index.search(vector[None], nobody, SOUGHT))

    return Built(search, cpu_s, index.bytes)


def coarse(vectors: Floats) -> Built:
    """What the product does in smaller catalogs: exact, by bounds of one byte per number."""
    catalog = catalog_of(vectors)
    known, begun, nobody = Coarse(catalog), time.process_time(), ~catalog.live
    known.follow()
    cpu_s = time.process_time() - begun

    def search(vector: Floats) -> Rows:
        return _best(vector, catalog, within(known.bounds(vector[None]), nobody, SOUGHT))

    return Built(search, cpu_s, len(vectors) * (vectors.shape[1] + 8))


def numpy(vectors: Floats) -> Built:
    """The product of all items by numpy's matrix library."""

    def search(vector: Floats) -> npt.NDArray[Any]:
        products = vectors @ vector
        few = np.argpartition(products, -SOUGHT)[-SOUGHT:]
        return few[np.argsort(-products[few])]

    return Built(search, 0.0, vectors.nbytes)


def usearch(vectors: Floats) -> Built:
    """A graph (HNSW) of vectors of bfloat16."""
    options = {"connectivity": LINKS, "expansion_add": BUILT_BY, "expansion_search": ASKED_BY}
    index: Any = import_module("usearch.index").Index(
        ndim=vectors.shape[1], metric="ip", dtype="bf16", **options
    )
    begun = time.process_time()
    index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1)
    cpu_s = time.process_time() - begun
    return Built(lambda vector: index.search(vector, SOUGHT, threads=1).keys, cpu_s, int(index.memory_usage))


def faiss(vectors: Floats) -> Built:
    """A graph (HNSW) of vectors of float32."""
    library: Any = import_module("faiss")
    library.omp_set_num_threads(1)
    index: Any = library.IndexHNSWFlat(vectors.shape[1], LINKS, library.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = BUILT_BY, ASKED_BY
    begun = time.process_time()
    index.add(vectors)
    cpu_s = time.process_time() - begun
    return Built(lambda vector: index.search(vector[None], SOUGHT)[1][0], cpu_s, None)


def hnswlib(vectors: Floats) -> Built:
    """A graph (HNSW) of vectors of float32."""
    index: Any = import_module("hnswlib").Index(space="ip", dim=vectors.shape[1])
    index.init_index(len(vectors), ef_construction=BUILT_BY, M=LINKS)
    index.set_ef(ASKED_BY)
    begun = time.process_time()
    index.add_items(vectors, num_threads=1)
    cpu_s = time.process_time() - begun
    return Built(lambda vector: index.knn_query(vector, SOUGHT, num_threads=1)[0][0], cpu_s, None)


OURS = "interestflow index"
ALWAYS = {OURS: cells, "interestflow exact": coarse, "numpy exact": numpy}
# Which are measured where they are named.
PEERS = {"usearch": usearch, "faiss": faiss, "hnswlib": hnswlib}
PACKAGES = {"usearch": "usearch", "faiss": "faiss-cpu", "hnswlib": "hnswlib"}


def installed(name: str) -> bool:
    """True where this peer can be measured."""
    return find_spec(name) is not None


def _best(vector: Floats, catalog: Catalog, rows: Rows) -> Rows:
    scores = largest_products(vector[None], catalog.vectors, rows)
    return rows[top(scores, rows, SOUGHT)]
