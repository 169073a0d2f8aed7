"""Tokens of OAUTHBEARER: asked for once, kept for most of their life, and refused by name."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from streams.kafka import tokens
from streams.kafka.clients import make
from streams.kafka.tokens import Token, TokenError, Tokens
from streams.settings.sections.kafka import KafkaSettings
from streams.settings.settings import Settings
from tests.broker.token_server import TokenServer

SECRET = "s3cret"


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer("us", SECRET) as running:
        yield running


def settings(url: str, **fields: Any) -> KafkaSettings:
    own = {
        "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_sasl_mechanism": "OAUTHBEARER",
        "kafka_oauth_token_endpoint_url": url,
        "kafka_oauth_client_id": "us",
        "kafka_oauth_client_secret": SECRET,
    }
    return Settings(**{**own, **fields}).kafka


def test_a_token_is_asked_for_again_after_four_fifths_of_its_life() -> None:
    now, given = [1000.0], iter("abc")
    source = Tokens(lambda: Token(next(given), now[0] + 100.0), clock=lambda: now[0])
    seen = []
    for second in (0, 79, 80, 159, 161):
        now[0] = 1000.0 + second
        seen.append(source.token().value)
    assert seen == ["a", "a", "b", "b", "c"]


def test_client_credentials_and_scope_reach_the_endpoint(server: TokenServer) -> None:
    found = tokens.oidc(settings(server.url, kafka_oauth_scope="kafka"))
    assert server.asked == [{"grant_type": ["client_credentials"], "scope": ["kafka"]}]
    claims = found.value.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"] == "us"


def test_a_wrong_secret_is_final_and_is_never_repeated(server: TokenServer) -> None:
    with pytest.raises(TokenError, match="INTERESTFLOW_KAFKA_OAUTH_CLIENT_SECRET") as raised:
        tokens.oidc(settings(server.url, kafka_oauth_client_secret="guess"))
    assert not raised.value.away
    assert "guess" not in str(raised.value)


def test_an_endpoint_that_is_away_may_come_back() -> None:
    with pytest.raises(TokenError, match="INTERESTFLOW_KAFKA_OAUTH_TOKEN_ENDPOINT_URL") as raised:
        tokens.oidc(settings("http://127.0.0.1:1/token"))
    assert raised.value.away


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"no json", b'{"access_token": 1}'])
def test_another_answer_is_no_token(server: TokenServer, answer: bytes) -> None:
    server.answer = answer
    with pytest.raises(TokenError, match="without an access_token"):
        tokens.oidc(settings(server.url))


def test_the_end_of_a_token_is_read_from_itself_where_the_endpoint_does_not_say(server: TokenServer) -> None:
    server.says_life = False
    assert tokens.oidc(settings(server.url)).expires_s == pytest.approx(server.expires_s, abs=2)


def test_extensions_are_pairs() -> None:
    assert tokens.extensions("logicalCluster=lkc-1, identityPoolId=pool-1") == {
        "logicalCluster": "lkc-1",
        "identityPoolId": "pool-1",
    }
    assert tokens.extensions(None) == {}
    with pytest.raises(ValueError, match="key=value"):
        tokens.extensions("logicalCluster")


def test_a_client_that_gets_no_token_is_not_made() -> None:
    class Client:
        """As librdkafka's: it asks when it is polled."""

        def __init__(self, config: dict[str, Any]) -> None:
            self.config = config

        def poll(self, _timeout: float) -> None:
            with pytest.raises(TokenError):
                self.config["oauth_cb"]("")

    def refuse(_config: str) -> None:
        raise TokenError("no token today")

    with pytest.raises(TokenError, match="no token today"):
        make(Client, {"oauth_cb": refuse})


def test_aws_signs_for_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    token = tokens.aws_msk_iam(Settings(kafka_aws_region="eu-west-1").kafka)
    signed = base64.urlsafe_b64decode(token.value + "==").decode()
    assert "kafka.eu-west-1.amazonaws.com" in signed
    assert "AKIAEXAMPLE" in signed


def test_aws_without_credentials_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(TokenError, match="AWS_PROFILE"):
        tokens.aws_msk_iam(Settings(kafka_aws_region="eu-west-1").kafka)
