"""Pathway: a stateful reducer by user between its Kafka connectors. Runs in an environment of its own."""

import orjson
import pathway as pw
from arithmetic import Fold, Job, State

# Milliseconds between two batches where every event gets its vector; a shorter time costs more per event.
COMMIT_MS = 100
# Events read but not yet handled.
BACKLOG = 50_000

job = Job.given()
fold = Fold(job)


class Event(pw.Schema):
    """What is read of an event."""

    user_id: str
    item_id: str
    action: str
    timestamp: int


def in_order(rows):
    """The events of one user and batch; the engine gives them in no order, so by their time."""
    names = "timestamp", "user_id", "item_id", "action"
    return [dict(zip(names, row, strict=True)) for row in sorted(row for row, _ in rows)]


@pw.reducers.stateful_many
def touched(stored, rows):
    """A user's state moves by all events of a batch. It is bytes, which the engine compares and keeps."""
    state = fold.start() if stored is None else State.of(stored)
    for event in in_order(rows):
        fold.move(state, event)
    return state.to_bytes()


@pw.reducers.stateful_many
def each(stored, rows):
    """The same, and beside the state the vector record of each event."""
    state = fold.start() if stored is None else State.of(stored[0])
    steps = (fold.step(state, event) for event in in_order(rows))
    records = tuple((step["count"], orjson.dumps(step)) for step in steps)
    return state.to_bytes(), records


@pw.udf
def record(user: str, stored: bytes) -> bytes:
    """The vector record of a state."""
    return orjson.dumps(fold.record(user, State.of(stored)))


@pw.udf
def records(stored: tuple) -> list[tuple[int, bytes]]:
    """The vector records of a batch, each behind its number."""
    return list(stored[1])


@pw.udf
def key(user: str) -> bytes:
    """A Kafka key."""
    return user.encode()


source = {"bootstrap.servers": job.servers, "group.id": job.group, "auto.offset.reset": "earliest"}
# As our producer: acks=all, idempotent.
sink = {"bootstrap.servers": job.servers, "acks": "all", "enable.idempotence": "true", "linger.ms": "5"}
events = pw.io.kafka.read(
    source,
    job.input,
    schema=Event,
    format="json",
    autocommit_duration_ms=job.interval_ms or COMMIT_MS,
    # What it advises where a topic is full at the start, so that memory stays bounded.
    max_backlog_size=BACKLOG,
)
moved = (touched if job.interval_ms else each)(
    events.timestamp, events.user_id, events.item_id, events.action
)
# A stream: a table would take back each old vector by a record of its own.
states = events.groupby(events.user_id).reduce(events.user_id, stored=moved).to_stream()
states = states.filter(states.is_upsert)
if job.interval_ms:
    vectors = states.select(key=key(states.user_id), value=record(states.user_id, states.stored))
    order = []
else:
    vectors = states.select(key=key(states.user_id), pair=records(states.stored)).flatten(pw.this.pair)
    vectors = vectors.select(pw.this.key, number=pw.this.pair[0], value=pw.this.pair[1])
    order = [vectors.number]

if __name__ == "__main__":
    message = {"key": vectors.key, "value": vectors.value, "headers": order}
    # It sorts only by what it writes, so the number goes out as a header.
    pw.io.kafka.write(vectors, sink, job.output, format="raw", **message, sort_by=order or None)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
