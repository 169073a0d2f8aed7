"""The errors whose message is for a person and says what to do next."""

from confluent_kafka import KafkaException

from encoders.fitted.projection import ProjectionError
from sinks.base import SinkError
from streams.bench.errors import BenchError
from streams.datasets.base import DatasetError
from streams.demo.children import ChildError
from streams.kafka.reading import ReadError
from streams.kafka.security import SecurityError
from streams.kafka.tokens import TokenError
from streams.kafka.topics.admin import TopicError
from streams.kafka.topics.rights import RightsError
from streams.local_kafka.local_kafka import LocalKafkaError
from streams.ops.backoff import GaveUpError
from streams.ops.kafka_errors import GroupError
from streams.ops.metrics import PortError
from streams.settings.settings import SettingsError
from streams.state.store import StateError

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
