"""Kafka security, given once in the settings, for every client alike: librdkafka, aiokafka and Faust.

What one of them cannot honour is refused before anything connects: each function here raises SecurityError
for such a combination, so no client ever gets a weaker connection than was asked for. The broker's name is
always checked against its certificate.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from functools import partial
from pathlib import Path
from typing import Any

from streams.kafka.login_checks import SASL_ONLY, given, login_problems, variable
from streams.kafka.tokens import Tokens, tokens
from streams.settings.errors import UserError
from streams.settings.sections.kafka import KafkaSettings

# host:port, a name, an IPv4 address or an IPv6 address in brackets.
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_SSL_FILES = ("ssl_ca_file", "ssl_cert_file", "ssl_key_file")
_SSL_ONLY = (*_SSL_FILES, "ssl_key_password")

# Between attempts to reach a broker that is away: 10 s in librdkafka, for which a broker that is back would wait.
LONGEST_RECONNECT_MS = 1000


class SecurityError(UserError):
    """Security settings that one of the Kafka clients cannot honour; the message names each problem."""


def check(kafka: KafkaSettings) -> list[str]:
    """One sentence per problem that would make one client fail or differ from the others; empty if none."""
    problems = _server_problems(kafka) + _combination_problems(kafka)
    if not problems and _uses_ssl(kafka):
        problems += _certificate_problems(kafka)
    return problems


def require(kafka: KafkaSettings) -> None:
    """Raise SecurityError that names every problem, if there is any."""
    problems = check(kafka)
    if problems:
        raise SecurityError("Kafka security settings that cannot be honoured:\n  " + "\n  ".join(problems))


def librdkafka_config(kafka: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Servers, security and patience as librdkafka properties, for all of confluent-kafka. Raises SecurityError.

    client_id: names us in the brokers' logs and quotas.
    """
    require(kafka)
    config: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "security.protocol": kafka.security_protocol,
        "reconnect.backoff.max.ms": LONGEST_RECONNECT_MS,
        "client.id": client_id,
        # It writes on standard error else; what fails is raised, and who is polled has a logger (see log_lines).
        "log_level": 0,
    }
    config |= _librdkafka_login(kafka)
    if _uses_ssl(kafka):
        config["enable.ssl.certificate.verification"] = True
        config["ssl.endpoint.identification.algorithm"] = "https"
        # librdkafka brings its own OpenSSL with paths of its own: give it what Python's uses.
        config["ssl.ca.location"] = str(kafka.ssl_ca_file or _system_ca())
        if kafka.ssl_cert_file is not None:
            config["ssl.certificate.location"] = str(kafka.ssl_cert_file)
            config["ssl.key.location"] = str(kafka.ssl_key_file)
        if kafka.ssl_key_password is not None:
            config["ssl.key.password"] = kafka.ssl_key_password
    return config


def _librdkafka_login(kafka: KafkaSettings) -> dict[str, Any]:
    source = tokens(kafka)
    if source is not None:
        return {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": partial(_give_token, source)}
    if not _uses_sasl(kafka):
        return {}
    return {
        "sasl.mechanism": kafka.sasl_mechanism,
        "sasl.username": kafka.sasl_username,
        "sasl.password": kafka.sasl_password,
    }


def aiokafka_config(kafka: KafkaSettings) -> dict[str, Any]:
    """Servers and security as keyword arguments of aiokafka's clients. Raises SecurityError."""
    require(kafka)
    config: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "security_protocol": kafka.security_protocol,
    }
    source = tokens(kafka)
    if source is not None:
        config["sasl_mechanism"] = "OAUTHBEARER"
        config["sasl_oauth_token_provider"] = _provider(source)
    elif _uses_sasl(kafka):
        config["sasl_mechanism"] = kafka.sasl_mechanism
        config["sasl_plain_username"] = kafka.sasl_username
        config["sasl_plain_password"] = kafka.sasl_password
    if _uses_ssl(kafka):
        config["ssl_context"] = _ssl_context(kafka)
    return config


def faust_broker_credentials(kafka: KafkaSettings) -> Any:
    """Faust's `broker_credentials`; None for a connection without any security. Raises SecurityError."""
    require(kafka)
    # Imported late, so that who only asks the brokers something does not load Faust.
    from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials

    context = _ssl_context(kafka) if _uses_ssl(kafka) else None
    source = tokens(kafka)
    if source is not None:
        return OAuthCredentials(oauth_cb=_provider(source), ssl_context=context)
    if _uses_sasl(kafka):
        # With a context its protocol is SASL_SSL, without one SASL_PLAINTEXT.
        return SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password,
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None


def _give_token(source: Tokens, _config: str) -> tuple[str, float, str, dict[str, str]]:
    """librdkafka's callback: token, its end in Unix seconds, principal (the broker knows it), SASL extensions."""
    token = source.token()
    return token.value, token.expires_s, "", source.extensions


def _provider(source: Tokens) -> Any:
    """aiokafka's callback."""
    from aiokafka.abc import AbstractTokenProvider

    class Provider(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types
        async def token(self) -> str:
            return (await asyncio.to_thread(source.token)).value

        def extensions(self) -> dict[str, str]:
            return source.extensions

    return Provider()


def _uses_ssl(kafka: KafkaSettings) -> bool:
    return kafka.security_protocol.endswith("SSL")


def _uses_sasl(kafka: KafkaSettings) -> bool:
    return kafka.security_protocol.startswith("SASL")


def _server_problems(kafka: KafkaSettings) -> list[str]:
    problems = []
    for server in kafka.bootstrap_servers.split(","):
        name = variable("bootstrap_servers")
        # What stands before an @ may be a password.
        shown = server.rpartition("@")[2] if "@" in server else server
        if "://" in server:
            # Faust takes the scheme for the choice of a transport, and its confluent:// one ignores
            # credentials and speaks plaintext where TLS was asked for.
            problems.append(
                f"{name}: {shown!r} has a URL scheme: give host:port alone, TLS is set by "
                f"{variable('security_protocol')}"
            )
        elif not _SERVER.fullmatch(server):
            problems.append(
                f"{name}: {shown!r} is not host:port (several are separated by commas, an IPv6 address "
                "stands in brackets)"
            )
    return problems


def _combination_problems(kafka: KafkaSettings) -> list[str]:
    problems = []
    protocol = kafka.security_protocol
    if not _uses_ssl(kafka):
        fix = f"set {variable('security_protocol')} to {'SASL_SSL' if _uses_sasl(kafka) else 'SSL'}"
        problems += [
            f"{name}: given, but {protocol} is without TLS: {fix}, or leave it out"
            for name in given(kafka, _SSL_ONLY)
        ]
    if not _uses_sasl(kafka):
        fix = f"set {variable('security_protocol')} to SASL_SSL"
        problems += [
            f"{name}: given, but {protocol} does not log in: {fix}, or leave it out"
            for name in given(kafka, SASL_ONLY)
        ]
    else:
        problems += login_problems(kafka)
    if (kafka.ssl_cert_file is None) != (kafka.ssl_key_file is None):
        problems.append(
            f"{variable('ssl_cert_file')} and {variable('ssl_key_file')}: "
            "a client certificate needs both (they may be the same file)"
        )
    if kafka.ssl_key_password is not None and kafka.ssl_key_file is None:
        problems.append(f"{variable('ssl_key_password')}: given without a key file")
    return problems


def _certificate_problems(kafka: KafkaSettings) -> list[str]:
    problems = []
    for field in _SSL_FILES:
        path: Path | None = getattr(kafka, field)
        if path is not None and not path.is_file():
            problems.append(f"{variable(field)}: there is no file {path}")
    if kafka.ssl_ca_file is None and _system_ca() is None:
        problems.append(f"{variable('ssl_ca_file')}: this system has no CA certificates: name a PEM file")
    if not problems:
        try:
            _ssl_context(kafka)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            problems.append(
                f"the TLS files do not fit or cannot be read ({error}): they must be PEM, the key "
                f"that of the certificate, its password in {variable('ssl_key_password')}"
            )
    return problems


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """Client context that verifies the broker's certificate and its name."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=kafka.ssl_ca_file)
    if kafka.ssl_cert_file is not None:
        # Never None: OpenSSL would ask for the password on the terminal.
        password = kafka.ssl_key_password or ""
        context.load_cert_chain(kafka.ssl_cert_file, kafka.ssl_key_file, password)
    return context


def _system_ca() -> str | None:
    """The system's CA certificates: file or folder, as Python's OpenSSL finds them."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath
