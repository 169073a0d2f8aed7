"""Stock Faust: `async for`, a table, `send`. Runs in the peers' environment."""

import faust
import orjson
from arithmetic import Fold, Job, State

job = Job.given()
fold = Fold(job)
app = faust.App(
    job.group,
    broker=f"kafka://{job.servers}",
    consumer_auto_offset_reset="earliest",
    datadir=job.home,
    # In memory, which is its faster store. There is one worker, so nobody to stand by, and no leader.
    store="memory://",
    table_standby_replicas=0,
    topic_partitions=job.partitions,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    # Let its producer gather records, as ours does; its defaults are 0 s and 16 KiB.
    producer_linger=0.005,
    producer_max_batch_size=1_000_000,
)
events = app.topic(job.input, key_type=bytes, key_serializer="raw", value_serializer="json")
output = app.topic(job.output, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
# Raw serialisers follow from the type.
states = app.Table("states", partitions=job.partitions, key_type=bytes, value_type=bytes)


@app.agent(events)
async def update(stream):
    """One event at a time."""
    async for event in stream:
        key = event["user_id"].encode()
        stored = states.get(key)
        state = fold.start() if stored is None else State.of(stored)
        record = fold.step(state, event)
        states[key] = state.to_bytes()
        await output.send(key=key, value=orjson.dumps(record))


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARN").execute_from_commandline()
