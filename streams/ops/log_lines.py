"""Log lines on standard error: our own, and those of the Kafka clients that say something new."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from streams.ops.kafka_errors import FINAL
from streams.ops.user_errors import USER_ERRORS

# Libraries under Faust, which are quiet unless something is wrong; then they say the same many times a second.
log = logging.getLogger(__name__)

LIBRARIES = ("faust", "mode", "aiokafka")
LIBRDKAFKA = "librdkafka"
EVERY_S = 10.0
_numbers = re.compile(r"\d+")
# What librdkafka puts before each line: facility, client and thread.
_prefix = re.compile(r"^\w+ \[[^\]]*\] \[thrd:[^\]]*\]: ")
# Lines that every client repeats while a broker is away or another one takes over.
_connection = re.compile(
    r"^(FAIL|ERROR|REQTMOUT|GETPID|SESSTMOUT|COORD\w*) |Unable (to )?connect|Error sending|marking coordinator dead"
    r"|Marking the coordinator dead|Heartbeat (failed|session)|Group Coordinator Request failed|Failed fetch messages"
    r"|Unable to (update|request) metadata|OffsetCommit failed|Connection at .* closed|Error in fetch|not a leader"
    r"|Unable to get topic/partition metadata|Got error .* for topic-partition|coordinator is not available"
)
# What a member is told at every rebalance; nothing fails, and the worker says itself what it does then.
_rebalance = "because it is rebalancing"
# In what librdkafka says where a producer ends because a record was refused (see sinks.kafka).
GAPLESS = "Gap-less ordering would not be guaranteed"
# librdkafka says the same of a connection every 30 s.
QUIET_S = 35.0


class Seldom(logging.Filter):
    """Lets a library log the same line, but for its numbers, once in a while, with the number of lines held back."""

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic seconds."""
        super().__init__()
        self.every, self.clock = every_s, clock
        # Logger and message -> time until which it is silenced, and how often it was.
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a line that was logged a moment ago."""
        error = record.exc_info[1] if record.exc_info else None
        if getattr(error, "errno", None) in FINAL and type(error).__module__.startswith("aiokafka"):
            return False  # the worker ends for it, and says why in a sentence
        if record.name.partition(".")[0] not in (*LIBRARIES, LIBRDKAFKA):
            return True
        if isinstance(error, USER_ERRORS):
            return False  # it ends the worker, which says its sentence alone
        now, message = self.clock(), record.getMessage()
        if record.name == LIBRDKAFKA and GAPLESS in message:
            return False  # the producer ends, and the worker with it, which says why
        about = record.name, _numbers.sub("#", message)
        silent_until, held_back = self._said.get(about, (now, 0))
        if now < silent_until:
            self._said[about] = silent_until, held_back + 1
            return False
        self._said = {key: entry for key, entry in self._said.items() if now < entry[0]}
        self._said[about] = now + self.every, 0
        if held_back:
            record.msg, record.args = f"{message} ({held_back} more like it)", ()
        return True


class Connections(logging.Filter):
    """Logs once that connections fail, though each client logs each failure; and once that none has failed lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic seconds."""
        super().__init__()
        self.clock = clock
        self._lock = threading.Lock()
        # Times of the first and the last failure.
        self._failing: tuple[float, float] | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """False for every failure but the first."""
        if record.name.partition(".")[0] not in (*LIBRARIES, LIBRDKAFKA):
            return True
        message, now = record.getMessage(), self.clock()
        plain = _prefix.sub("", message)
        record.msg, record.args = plain, ()
        if _rebalance in message:
            return False
        if "atal" in message or not _connection.search(message):
            return True
        with self._lock:
            first = self._failing is None
            self._failing = (now if self._failing is None else self._failing[0]), now
        record.name, record.levelno, record.levelname = __name__, logging.WARNING, "WARNING"
        record.msg = f"a connection to Kafka fails, and the clients try again: {plain}"
        record.exc_info = None
        return first

    def settle(self) -> None:
        """Called now and then while the brokers answer."""
        with self._lock:
            failing = self._failing
            if failing is None or self.clock() - failing[1] < QUIET_S:
                return
            self._failing = None
        log.info("the connections to Kafka stand again; they failed for %.1f s", failing[1] - failing[0])


CONNECTIONS = Connections()


def set_up_logging(log_level: str) -> None:
    """Logs on standard error; the libraries' own chatter only when something is wrong."""
    logging.basicConfig(
        level=log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for handler in logging.getLogger().handlers:
        if log_level != "debug":
            handler.addFilter(CONNECTIONS)
        handler.addFilter(Seldom())
    quiet = logging.WARNING if log_level != "debug" else logging.DEBUG
    for name in (*LIBRARIES, LIBRDKAFKA):
        logging.getLogger(name).setLevel(quiet)


def with_log(config: Mapping[str, Any]) -> dict[str, Any]:
    """librdkafka properties that send the lines of a client to our log; somebody must poll it."""
    return {**_quiet(config), "logger": logging.getLogger(LIBRDKAFKA)}


def without_log(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a client that nobody polls: it logs nothing, its failures are raised."""
    return {**_quiet(config), "log_level": 0}


def _quiet(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in ("logger", "log_level")}
