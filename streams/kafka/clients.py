"""librdkafka's clients that do more than send: made here, so that each has its token and writes no lines of its own."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from streams.kafka.security import librdkafka_config
from streams.kafka.tokens import TokenError
from streams.settings.settings import Settings

Client = TypeVar("Client")
# librdkafka asks for a token as soon as a client is made, but only while the client is polled.
TOKEN_WITHIN_S = 15.0
POLL_S = 0.1
# A client that nobody polls is asked for a new token so often.
TEND_EVERY_S = 1.0


def client_config(settings: Settings) -> dict[str, Any]:
    """The librdkafka properties of all clients of these settings; the group names us to the brokers. Raises
    SecurityError."""
    return librdkafka_config(settings.kafka, settings.topics.group)


def make(
    kind: Callable[[dict[str, Any]], Client], config: Mapping[str, Any], *, tended: bool = False
) -> Client:
    """A client (Consumer, AdminClient) that may log in at once.

    config: librdkafka properties. tended: nobody polls it, so that a thread does while it lives.
    Raises TokenError, and KafkaException where the properties are wrong.
    """
    give = config.get("oauth_cb")
    if give is None:
        return kind(dict(config))
    asked = threading.Event()
    refused: list[TokenError] = []

    def answer(text: str) -> Any:
        try:
            return give(text)
        except TokenError as error:
            refused.append(error)
            raise
        finally:
            asked.set()

    client: Any = kind({**config, "oauth_cb": answer})
    give_up = time.monotonic() + TOKEN_WITHIN_S
    while not asked.is_set() and time.monotonic() < give_up:
        client.poll(POLL_S)
    if refused:
        raise refused[0]
    if tended:
        threading.Thread(target=_tend, args=(weakref.ref(client),), name="tokens", daemon=True).start()
    made: Client = client
    return made


def close_later(client: Any) -> None:
    """Release a client's connections; without waiting, for librdkafka may take a second to end its threads."""
    threading.Thread(target=client.close, name="closing a client", daemon=True).start()


def _tend(reference: Any) -> None:
    while (client := reference()) is not None:
        client.poll(0)
        del client
        time.sleep(TEND_EVERY_S)
