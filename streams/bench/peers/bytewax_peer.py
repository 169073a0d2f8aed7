"""Bytewax: a stateful map in memory between Kafka source and sink. Runs in the peers' environment."""

import bytewax.operators as op
import orjson
from arithmetic import Fold, Job
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from confluent_kafka import OFFSET_BEGINNING

# Per partition and poll; its default of 1000 and 10,000 are a little slower.
BATCH = 4000

job = Job.given()
fold = Fold(job)


def keyed(message):
    """A Kafka record as (user, event)."""
    event = orjson.loads(message.value)
    return event["user_id"], event


def update(state, event):
    """The state stays an object in memory, which costs least; without recovery it is never serialised."""
    if state is None:
        state = fold.start()
    record = fold.step(state, event)
    return state, KafkaSinkMessage(event["user_id"].encode(), orjson.dumps(record))


flow = Dataflow("bench")
source = KafkaSource(
    [job.servers], [job.input], tail=True, starting_offset=OFFSET_BEGINNING, batch_size=BATCH
)
# As our producer: acks=all, idempotent. No lingering: its sink flushes after every batch, and would wait for it.
sink = KafkaSink(
    [job.servers],
    job.output,
    {"acks": "all", "enable.idempotence": "true", "linger.ms": "0", "batch.size": "1000000"},
)
events = op.map("keyed", op.input("input", flow, source), keyed)
vectors = op.stateful_map("update", events, update)
op.output("output", op.map("message", vectors, lambda pair: pair[1]), sink)

if __name__ == "__main__":
    run_main(flow)
