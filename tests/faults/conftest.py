"""A broker for the fault tests alone, since they kill it; and deployments on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.deployment import Deploy, Deployment
from tests.faults.node import Node

FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever here asks for the broker is marked `broker`."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and "node" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.broker)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The broker."""
    with Node(tmp_path_factory.mktemp("faults-kafka")) as node:
        yield node


@pytest.fixture
def deploy(node: Node, tmp_path: Path) -> Deploy:
    """deploy(workers, proxied=(), **fields) -> a function from a seed to a deployment with these workers.

    proxied: those that reach the broker through the proxy.
    """

    def kind(*workers: str, proxied: Sequence[str] = (), **fields: Any) -> Callable[[int], Deployment]:
        def make(seed: int) -> Deployment:
            addresses = dict.fromkeys(proxied, node.proxy.address)
            folder = tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}"
            deployment = Deployment(node.servers, folder, seed, addresses=addresses, **fields)
            for name in workers:
                deployment.crew.start(name)
            return deployment

        return make

    return kind
