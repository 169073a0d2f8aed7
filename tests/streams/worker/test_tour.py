"""The tour of the docs is the way that a batch takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from encoders.text.hashing import HashingEncoder
from sinks.memory import MemoryLog
from streams.events.adapters import adapter
from streams.settings.settings import Settings
from streams.worker.stages.outputs import Stage
from tests.streams.flows import DIM, T0, Record, make_flow
from tests.streams.parts import BatchEvent, make_parts, run

ROOT = Path(__file__).parent.parent.parent.parent
RAW, CANONICAL = "behavior.raw.v1", "behavior.events.v1"
SETTINGS = Settings(dimensions=DIM, encoder="hashing")
# What only a broker can have called.
ON_KAFKA = {"Consumer.getmany", "Consumer.ack", "Runner.read", "KafkaLog.publish"}

Call = tuple[str, str]


class Way:
    """The functions of ours that batches pass, in the order of their first call: (name, file)."""

    def __init__(self) -> None:
        self.sink, self.calls = MemoryLog(), list[Call]()
        self.parts = make_parts(
            SETTINGS,
            make_flow(),
            HashingEncoder(DIM),
            _raise,
            sink=self.sink,
            adapters={RAW: adapter("native")},
        )

    async def send(self, stage: Stage, record: Record) -> None:
        """A batch of one record through a stage."""
        passed: dict[Call, None] = {}

        def profile(frame: FrameType, event: str, argument: Any) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename.startswith(str(ROOT)):
                passed.setdefault((code.co_qualname, str(Path(code.co_filename).relative_to(ROOT))))

        model = self.parts.runner.model
        await model.run(sys.setprofile, profile)
        sys.setprofile(profile)
        try:
            await run(self.parts, stage, BatchEvent([record], record.topic))
        finally:
            sys.setprofile(None)
            await model.run(sys.setprofile, None)
        self.calls += passed


def _raise(error: BaseException) -> None:
    raise error


def stops() -> Iterator[Call]:
    """The numbered ones that need no broker."""
    text = (ROOT / "docs" / "tour.md").read_text()
    for name, file in re.findall(r"^\| \d+ \| `([^`]+)` \| `([^`]+)` \|", text, re.MULTILINE):
        if name not in ON_KAFKA:
            yield name, file


async def test_a_batch_passes_the_stops_in_their_order() -> None:
    way = Way()
    event = {"user_id": "u", "item_id": "i1", "action": "click", "timestamp": T0}
    await way.send(way.parts.ingest, Record(orjson.dumps(event), 0, topic=RAW))
    key, value, headers = way.sink.records[CANONICAL][0]
    await way.send(way.parts.update, Record(value, 0, key=key, headers=list(headers), topic=CANONICAL))
    assert len(way.sink.records["interest.vectors.v1"]) == 1
    left = iter(way.calls)
    assert [stop for stop in stops() if stop not in left] == []
