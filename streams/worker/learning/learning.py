"""All that goes on in a worker that learns of items, beside its stages."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from streams.state.items.partition import ItemPartition
from streams.worker.guard import Guard
from streams.worker.learning.flushing import ItemFlusher
from streams.worker.learning.following import LearnedFollower


@dataclass(frozen=True, slots=True)
class Learning:
    """Of one worker. guard: of the items' changelog."""

    flusher: ItemFlusher
    follower: LearnedFollower
    guard: Guard[ItemPartition]

    async def load(self) -> None:
        """Before the worker joins its group: know what was learned before."""
        await self.follower.load()

    def works(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What goes on until the worker ends."""
        return self.flusher.run(), self.follower.follow(), self.guard.run()

    @property
    def idle(self) -> bool:
        """True where nothing waits to be written."""
        return self.flusher.idle
