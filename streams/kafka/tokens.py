"""The tokens of OAUTHBEARER, for every Kafka client alike: OIDC client credentials, or AWS MSK IAM.

A token is asked for once, and again when four fifths of its life are over; clients share it.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.settings.errors import UserError
from streams.settings.sections.kafka import KafkaSettings

if TYPE_CHECKING:
    # A tenth of a second, which only who asks a token server has to spend.
    import httpx

TIMEOUT_S = 10.0
# Of a token that does not say how long it lives.
LIFE_S = 300.0
USED_SHARE = 0.8
AWS_EXTRA = "install the extra: pip install 'interestflow[aws]'"


class TokenError(UserError):
    """No token can be had; the message says why and what to do. away: whether asking again may help."""

    def __init__(self, message: str, *, away: bool = False) -> None:
        super().__init__(message)
        self.away = away


class Token(NamedTuple):
    """value: as the broker gets it. expires_s: Unix time, seconds."""

    value: str
    expires_s: float


class Tokens:
    """A source of tokens; any thread may ask, and waits for the one that is fetching."""

    def __init__(
        self,
        fetch: Callable[[], Token],
        extensions: dict[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """fetch: gets a new token. extensions: SASL extensions. clock: Unix seconds."""
        self.extensions = extensions or {}
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at = 0.0

    def token(self) -> Token:
        """One that lives on for a while. Raises TokenError."""
        with self._lock:
            now = self._clock()
            if self._token is None or now >= self._renew_at:
                self._token = self._fetch()
                self._renew_at = now + USED_SHARE * (self._token.expires_s - now)
            return self._token


def oidc(kafka: KafkaSettings) -> Token:
    """A token for client credentials (RFC 6749, 4.4). Raises TokenError."""
    import httpx

    url = kafka.oauth_token_endpoint_url or ""
    client = kafka.oauth_client_id or "", kafka.oauth_client_secret or ""
    asked = {"grant_type": "client_credentials"}
    if kafka.oauth_scope:
        asked["scope"] = kafka.oauth_scope
    try:
        answer = httpx.post(url, data=asked, auth=client, timeout=TIMEOUT_S, verify=_context(kafka))
    except httpx.HTTPError as error:
        raise TokenError(
            f"no token from {url} ({error}): start it, or correct INTERESTFLOW_KAFKA_OAUTH_TOKEN_ENDPOINT_URL",
            away=True,
        ) from error
    if answer.status_code >= 500:
        raise TokenError(f"no token from {url} (HTTP {answer.status_code}): look at its log", away=True)
    if answer.status_code != 200:
        raise TokenError(
            f"no token from {url} (HTTP {answer.status_code} {_reason(answer)}): check "
            "INTERESTFLOW_KAFKA_OAUTH_CLIENT_ID, INTERESTFLOW_KAFKA_OAUTH_CLIENT_SECRET and "
            "INTERESTFLOW_KAFKA_OAUTH_SCOPE"
        )
    return _parse(url, answer)


def aws_msk_iam(kafka: KafkaSettings) -> Token:
    """A token that AWS credentials sign. Raises TokenError."""
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError as error:
        raise TokenError(f"AWS_MSK_IAM needs aws-msk-iam-sasl-signer-python: {AWS_EXTRA}") from error
    try:
        value, expires_ms = MSKAuthTokenProvider.generate_auth_token(aws_region(kafka))
    except Exception as error:  # botocore's own, which only the extra has
        raise TokenError(
            f"AWS gives no credentials ({error}): set AWS_PROFILE, AWS_ACCESS_KEY_ID or the role of this machine"
        ) from error
    return Token(value, expires_ms / 1000)


def aws_region(kafka: KafkaSettings) -> str | None:
    """The cluster's region, None where nobody says it."""
    return kafka.aws_region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def extensions(text: str | None) -> dict[str, str]:
    """key=value,key=value as a dict. Raises ValueError where it is anything else."""
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    if any(not key.strip() or not value.strip() for key, _, value in pairs):
        raise ValueError("not key=value,key=value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def tokens(kafka: KafkaSettings) -> Tokens | None:
    """The source of tokens that the settings ask for, None for a log-in without tokens."""
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return Tokens(lambda: oidc(kafka), extensions(kafka.oauth_extensions))
    if kafka.sasl_mechanism == "AWS_MSK_IAM":
        return Tokens(lambda: aws_msk_iam(kafka))
    return None


def _context(kafka: KafkaSettings) -> ssl.SSLContext:
    # A company's own authority mostly signs for its brokers and its token server alike.
    context = ssl.create_default_context()
    if kafka.ssl_ca_file is not None:
        context.load_verify_locations(kafka.ssl_ca_file)
    return context


def _reason(answer: httpx.Response) -> str:
    """The standard error code of a refusal (RFC 6749, 5.2)."""
    try:
        return str(answer.json().get("error", ""))[:100]
    except (ValueError, AttributeError):
        return ""


def _parse(url: str, answer: httpx.Response) -> Token:
    try:
        found: Any = answer.json()
        value = found["access_token"]
        if not isinstance(value, str):
            raise TypeError
        life = float(found.get("expires_in") or 0.0)
    except (ValueError, TypeError, KeyError) as error:
        raise TokenError(
            f"{url} answered without an access_token: correct INTERESTFLOW_KAFKA_OAUTH_TOKEN_ENDPOINT_URL"
        ) from error
    return Token(value, time.time() + life if life > 0 else _expiry(value))


def _expiry(value: str) -> float:
    """What a JWT says of its own end, Unix seconds."""
    try:
        claims = value.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (IndexError, ValueError, TypeError, KeyError):
        return time.time() + LIFE_S
