"""Bytewax: a stateful step in memory between Kafka source and sink. Runs in the peers' environment."""

from datetime import UTC, datetime, timedelta

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
interval = timedelta(milliseconds=job.interval_ms)


def keyed(message):
    """A Kafka record as (user, event)."""
    event = orjson.loads(message.value)
    return event["user_id"], event


def message(user, record):
    """A vector record for the sink."""
    return KafkaSinkMessage(user.encode(), orjson.dumps(record))


def update(state, event):
    """The state stays an object in memory, which costs least; without recovery it is never serialised."""
    if state is None:
        state = fold.start()
    return state, message(event["user_id"], fold.step(state, event))


class Touched(op.StatefulLogic):
    """A user's state, whose vector goes out one interval after the first event that moved it."""

    def __init__(self, state):
        self.state, self.user, self.due = state or fold.start(), "", None

    def on_item(self, event):
        """Move, and be woken."""
        fold.move(self.state, event)
        if self.due is None:
            self.user, self.due = event["user_id"], datetime.now(UTC) + interval
        return (), self.RETAIN

    def on_notify(self):
        """The interval is over."""
        self.due = None
        return (message(self.user, fold.record(self.user, self.state)),), self.RETAIN

    def notify_at(self):
        """When to be woken."""
        return self.due

    def snapshot(self):
        """Never asked for, without recovery."""
        return self.state


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
vectors = (
    op.stateful("update", events, Touched) if job.interval_ms else op.stateful_map("update", events, update)
)
op.output("output", op.map("message", vectors, lambda pair: pair[1]), sink)

if __name__ == "__main__":
    run_main(flow)
