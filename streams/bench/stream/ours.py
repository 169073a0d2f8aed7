"""The real worker as an engine: `interestflow worker`, settings by environment, as a user runs it.

Settings in your own environment hold where a case does not fix them, so that they can be tried:
`INTERESTFLOW_BATCH_EVENTS=8000 interestflow bench stream --case throughput --engine interestflow`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from streams.bench.cluster import PARTITIONS, Cluster
from streams.bench.stream import workload
from streams.bench.stream.contender import Contender, Form, Launch, Wiring
from streams.kafka.topics import specifications as topics
from streams.settings.configuration import load
from streams.settings.section import ENV_PREFIX
from streams.settings.settings import Settings

NAME = "interestflow"
COMMAND = (sys.executable, "-m", "streams", "worker")
GUARANTEES = (
    "acknowledges after every delivery report (acks=all, idempotent); state in a changelog of its own, recovered "
    "exactly; a duplicate moves nothing. State 1.6 KiB per user: two sums and the last events. "
)
# What a user sets for each form, and what is to be known of it.
FORMS: dict[Form, tuple[str, dict[str, Any]]] = {
    Form.TOUCHED: ("One vector per touched user and batch", {}),
    Form.EVENT: ("One vector per event, by INTERESTFLOW_VECTORS_PER=event", {"vectors_per": "event"}),
}
EMBEDDINGS = "bench.embeddings"


def deployment(cluster: Cluster, prefix: str, **fields: Any) -> tuple[Settings, dict[str, str]]:
    """Settings whose topics begin with `prefix`, and the environment that brings them to a worker.

    The embeddings alone are shared by all runs.
    """
    fixed: dict[str, Any] = {
        "kafka_bootstrap_servers": cluster.servers,
        "app": prefix + "app",
        "encoder": "hashing",
        "dimensions": workload.DIM,
        "short_half_life": workload.SHORT_EVENTS,
        "long_half_life": workload.LONG_S,
        "short_share": workload.SHORT_SHARE,
        "partitions": PARTITIONS,
        "metrics_port": 0,
    }
    chosen = {**topics.prefixed(prefix), **fixed, "topic_embeddings": EMBEDDINGS, **fields}
    return load(**chosen), {ENV_PREFIX + name.upper(): str(value) for name, value in chosen.items()}


def create_topics(cluster: Cluster, given: Settings) -> None:
    """The worker's topics as `interestflow topics create` makes them, appends stamped by the broker's clock.

    The catalog is written once per broker, beforehand, so that every worker knows it from its start.
    """
    if cluster.create(given.topics.embeddings):
        cluster.fill(given.topics.embeddings, workload.embeddings(given.encoder.dimensions))
    specs = topics.specs(given)
    cluster.create_all(
        [
            replace(spec, config={**spec.config, **topics.ARRIVAL}, partitions=given.topics.partitions)
            for spec in specs
        ]
    )


def prepare(cluster: Cluster, wiring: Wiring, **fields: Any) -> Launch:
    """Topics for a throughput run, and how to start the worker on them.

    Recommendations are off, since the peers make none. fields: other settings of this run.
    """
    given, environment = deployment(
        cluster,
        wiring.group + ".",
        sources=f"{wiring.input}:canonical",
        topic_vectors=wiring.output,
        recommend=False,
        **FORMS[wiring.form][1],
        **fields,
    )
    create_topics(cluster, given)
    return Launch(list(COMMAND), environment, given.topics.state)


CONTENDERS = [Contender(NAME, 1.0, GUARANTEES + how, prepare, form) for form, (how, _) in FORMS.items()]
