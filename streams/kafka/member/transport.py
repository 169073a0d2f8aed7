"""The batched Kafka transport for Faust: one Faust event per fetched batch of one partition.

Stock Faust spends over 100 microseconds per message on its way from the fetcher to the agent. Here a message
is a whole batch (see batches.py), so that cost is paid once per some thousand records. Faust keeps what it is good at:
membership, assignment, flow control, agents and commit.

Private names of faust-streaming 0.15 are overridden; tests/contracts guards them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from faust.topics import Topic as FaustTopic
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers.aiokafka import Transport as AIOKafkaTransport
from faust.types import TP

from streams.kafka.member import consumer, coordinator, fetching, own_aiokafka

SCHEME = "batched"

Seeks = Callable[[set[TP]], Awaitable[Mapping[TP, int]]]
LetGo = Callable[[], Awaitable[None]]
Moved = Callable[[TP, int, int], None]


class Transport(AIOKafkaTransport):  # type: ignore[misc]
    """Chosen by the scheme `batched://`; the worker hangs its callback in before it starts."""

    Consumer = consumer.Consumer

    @property
    def seeks(self) -> Seeks:
        """Offsets to start from, of the partitions whose truth is a changelog."""
        seeks: Seeks = self.app.state_seeks
        return seeks

    @property
    def let_go(self) -> LetGo:
        """Called before partitions may be another's: returns once nothing is made of their states any more."""
        let_go: LetGo = self.app.state_let_go
        return let_go

    @property
    def moved(self) -> Moved:
        """Told of a partition that is read from an offset instead of the one that was asked for."""
        moved: Moved = self.app.state_moved
        return moved


class BatchTopic(FaustTopic):  # type: ignore[misc]
    """A topic whose messages are batches: nothing to deserialise."""

    def _compile_decode(self) -> None:
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return self.app.create_event(None, message.value, message.headers, message)

        self.decode = decode


def register() -> None:
    """Make `batched://` known to Faust, and ours to its aiokafka, which has no setting for either."""
    own_aiokafka.register()
    fetching.register()
    coordinator.register()
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"
