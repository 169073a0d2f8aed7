"""What is wrong with the settings of a log-in: parts of another mechanism, and what this one lacks."""

from __future__ import annotations

import importlib.util
from urllib.parse import urlsplit

from streams.kafka.tokens import AWS_EXTRA, aws_region, extensions
from streams.settings.sections.kafka import KafkaSettings

_PASSWORD_ONLY = ("sasl_username", "sasl_password")
_OAUTH_ONLY = (
    "oauth_token_endpoint_url",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_scope",
    "oauth_extensions",
)
_AWS_ONLY = ("aws_region",)
SASL_ONLY = ("sasl_mechanism", *_PASSWORD_ONLY, *_OAUTH_ONLY, *_AWS_ONLY)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def variable(field: str) -> str:
    """The environment variable of a setting of Kafka."""
    return KafkaSettings.variable(field)


def given(kafka: KafkaSettings, fields: tuple[str, ...]) -> list[str]:
    """The variables of those of these settings that have a value."""
    return [variable(field) for field in fields if getattr(kafka, field) is not None]


def login_problems(kafka: KafkaSettings) -> list[str]:
    """Of a log-in: what another mechanism would use, and what this one cannot."""
    mechanism = kafka.sasl_mechanism
    used = {"OAUTHBEARER": _OAUTH_ONLY, "AWS_MSK_IAM": _AWS_ONLY}.get(str(mechanism), _PASSWORD_ONLY)
    others = tuple(field for field in SASL_ONLY[1:] if field not in used)
    problems = [
        f"{name}: given, but {mechanism} does not use it: leave it out, or correct "
        f"{variable('sasl_mechanism')}"
        for name in given(kafka, others)
    ]
    if mechanism == "AWS_MSK_IAM":
        problems += _aws_problems(kafka)
    if mechanism == "OAUTHBEARER":
        problems += _oauth_problems(kafka)
    return problems


def _aws_problems(kafka: KafkaSettings) -> list[str]:
    problems = []
    if not kafka.security_protocol.endswith("SSL"):
        problems.append(f"{variable('security_protocol')}: AWS_MSK_IAM needs SASL_SSL")
    if aws_region(kafka) is None:
        problems.append(f"{variable('aws_region')}: AWS_MSK_IAM needs the region of the cluster")
    if importlib.util.find_spec("aws_msk_iam_sasl_signer") is None:
        problems.append(f"{variable('sasl_mechanism')}: AWS_MSK_IAM: {AWS_EXTRA}")
    return problems


def _oauth_problems(kafka: KafkaSettings) -> list[str]:
    problems = []
    url = urlsplit(kafka.oauth_token_endpoint_url or "")
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
        problems.append(f"{variable('oauth_token_endpoint_url')}: must begin with https://")
    try:
        extensions(kafka.oauth_extensions)
    except ValueError as error:
        problems.append(f"{variable('oauth_extensions')}: {error}")
    return problems
