"""What a person reads on standard error: our own lines, and of the clients' those that say something new."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from streams.settings import Settings

# Libraries under Faust, which are quiet unless something is wrong; then they say the same many times a second.
LIBRARIES = ("faust", "mode", "aiokafka")
LIBRDKAFKA = "librdkafka"
EVERY_S = 10.0
_numbers = re.compile(r"\d+")


class Seldom(logging.Filter):
    """Lets a library say the same, but for numbers, once in a while; how often it was held back is told then."""

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic seconds."""
        super().__init__()
        self.every, self.clock = every_s, clock
        # Logger and message -> when it may be said again, and how often it was not.
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """False for what was said a moment ago."""
        if record.name.partition(".")[0] not in (*LIBRARIES, LIBRDKAFKA):
            return True
        now, message = self.clock(), record.getMessage()
        about = record.name, _numbers.sub("#", message)
        again, held_back = self._said.get(about, (now, 0))
        if now < again:
            self._said[about] = again, held_back + 1
            return False
        self._said = {key: told for key, told in self._said.items() if now < told[0]}
        self._said[about] = now + self.every, 0
        if held_back:
            record.msg, record.args = f"{message} ({held_back} more like it)", ()
        return True


def set_up_logging(settings: Settings) -> None:
    """Logs on standard error; the libraries' own chatter only when something is wrong."""
    logging.basicConfig(
        level=settings.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom())
    quiet = logging.WARNING if settings.log_level != "debug" else logging.DEBUG
    for name in (*LIBRARIES, LIBRDKAFKA):
        logging.getLogger(name).setLevel(quiet)


def told(config: Mapping[str, Any]) -> dict[str, Any]:
    """librdkafka properties by which a client that is polled writes its lines into our log."""
    return {**_quiet(config), "logger": logging.getLogger(LIBRDKAFKA)}


def untold(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a client that nobody polls: what fails is raised, and it writes nothing."""
    return {**_quiet(config), "log_level": 0}


def _quiet(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in ("logger", "log_level")}
