"""Records into the world: logs, which keep every record in order, and destinations, which keep the newest by key.

Knows how to deliver; knows nothing of models, encoders or the stream.
"""

# Name -> factory(settings, log: base.Log) -> base.Destination, beside the destination that it makes. A destination of
# ours needs a line here; one of a package has an entry point instead. A factory raises DestinationError.
BUILT_IN = {
    "kafka": "sinks.kafka_tables:from_settings",
    "memory": "sinks.memory:from_settings",
}
