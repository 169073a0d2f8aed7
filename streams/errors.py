"""The errors whose message is for a person and says what to do next."""

from confluent_kafka import KafkaException

from encoders.projection import ProjectionError
from sinks.base import SinkError
from streams.backoff import GaveUpError
from streams.bench.errors import BenchError
from streams.children import ChildError
from streams.datasets.base import DatasetError
from streams.kafka_errors import GroupError
from streams.local_kafka import LocalKafkaError
from streams.metrics import PortError
from streams.reading import ReadError
from streams.rights import RightsError
from streams.security import SecurityError
from streams.settings import SettingsError
from streams.state.store import StateError
from streams.tokens import TokenError
from streams.topic_admin import TopicError

USER_ERRORS: tuple[type[Exception], ...] = (
    SettingsError,
    SecurityError,
    StateError,
    ReadError,
    ProjectionError,
    LocalKafkaError,
    ChildError,
    TopicError,
    DatasetError,
    SinkError,
    BenchError,
    GaveUpError,
    PortError,
    KafkaException,
    GroupError,
    RightsError,
    TokenError,
)
