"""All errors whose message is enough for a user: the stream's, and those of packages that may not import it."""

from confluent_kafka import KafkaException

from encoders.fitted.moments import ProjectionError
from sinks.base import DestinationError, SinkError
from streams.settings.errors import UserError

USER_ERRORS: tuple[type[Exception], ...] = (
    UserError,
    ProjectionError,
    DestinationError,
    SinkError,
    KafkaException,
)
