"""Quix Streams: a stateful apply on RocksDB with its changelog. Runs in the peers' environment."""

from arithmetic import Fold, Job, State
from quixstreams import Application

job = Job.given()
fold = Fold(job)
app = Application(
    broker_address=job.servers,
    consumer_group=job.group,
    auto_offset_reset="earliest",
    state_dir=job.home,
    # Its default of 5 s between checkpoints; states of a checkpoint are held in memory and written once.
    commit_interval=5.0,
    # As our producer gathers records; acks=all and idempotence are its own choice.
    producer_extra_config={"linger.ms": 5, "batch.size": 1_000_000},
    loglevel="WARNING",
)
# JSON is read and written by orjson in both topics.
events = app.topic(job.input, key_deserializer="bytes", value_deserializer="json")
output = app.topic(job.output, key_serializer="bytes", value_serializer="json")


def update(event, states):
    """The state of the record's key moves; its vector goes on."""
    stored = states.get_bytes("state")
    state = fold.start() if stored is None else State.of(stored)
    record = fold.step(state, event)
    states.set_bytes("state", state.to_bytes())
    return record


if __name__ == "__main__":
    app.dataframe(events).apply(update, stateful=True).to_topic(output)
    app.run()
