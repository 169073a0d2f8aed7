"""A broker for the fault tests alone, since they kill it; and deployments on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import NODES, Cluster
from tests.faults.deployment import Deploy, Deployment
from tests.faults.node import Node

FOLDER = Path(__file__).parent
BROKERS = {"node", "cluster", "guarded_node"}


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever here asks for a broker is marked `broker`."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and BROKERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.broker)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The broker."""
    with Node(tmp_path_factory.mktemp("faults-kafka")) as node:
        yield node


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers, for the length of one file."""
    with Cluster(tmp_path_factory.mktemp("faults-cluster")) as cluster:
        yield cluster


@pytest.fixture
def deploy(node: Node, tmp_path: Path) -> Deploy:
    """deploy(workers, proxied=(), **fields) -> a function from a seed to a deployment with these workers.

    proxied: those that reach the broker through the proxy.
    """

    def kind(*workers: str, proxied: Sequence[str] = (), **fields: Any) -> Callable[[int], Deployment]:
        addresses = dict.fromkeys(proxied, node.proxy.address)
        return _kind(node.servers, tmp_path, workers, addresses=addresses, **fields)

    return kind


@pytest.fixture
def deploy_on_cluster(cluster: Cluster, tmp_path: Path) -> Deploy:
    """As `deploy`, with a copy of every topic on each broker; of: the deployment's class."""

    def kind(*workers: str, **fields: Any) -> Callable[[int], Deployment]:
        return _kind(cluster.servers, tmp_path, workers, replication_factor=NODES, **fields)

    return kind


def _kind(
    servers: str, tmp_path: Path, workers: Sequence[str], of: type[Deployment] = Deployment, **fields: Any
) -> Callable[[int], Deployment]:
    def make(seed: int) -> Deployment:
        folder = tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}"
        deployment = of(servers, folder, seed, **fields)
        for name in workers:
            deployment.crew.start(name)
        return deployment

    return make
