"""Security settings that a client cannot honour are refused, and the others reach every client alike."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from faust.types.auth import AuthProtocol, SASLMechanism

from streams.kafka import security
from streams.kafka.clients import client_config
from streams.kafka.security import SecurityError
from streams.settings.sections.kafka import KafkaSettings
from streams.settings.settings import Settings

SASL = {"kafka_sasl_mechanism": "SCRAM-SHA-512", "kafka_sasl_username": "u", "kafka_sasl_password": "secret"}
BUILDERS = [
    partial(security.librdkafka_config, client_id="us"),
    security.aiokafka_config,
    security.faust_broker_credentials,
]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ca.pem, cert.pem, key.pem and another.pem, the key of somebody else."""
    folder = tmp_path_factory.mktemp("pem")
    ca = trustme.CA()
    ours, other = ca.issue_cert("client@example.org"), ca.issue_cert("other@example.org")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    (folder / "cert.pem").write_bytes(b"".join(part.bytes() for part in ours.cert_chain_pems))
    ours.private_key_pem.write_to_path(folder / "key.pem")
    other.private_key_pem.write_to_path(folder / "another.pem")
    return folder


def problems(**fields: Any) -> str:
    return "\n".join(security.check(Settings(**fields).kafka))


@pytest.mark.parametrize(
    "servers",
    ["localhost:9092", "10.0.0.1:9092, 10.0.0.2:9093 ", "[::1]:9092", "b-1.kafka_x.example.org:9094"],
)
def test_servers_are_host_and_port(servers: str) -> None:
    assert problems(kafka_bootstrap_servers=servers) == ""


@pytest.mark.parametrize(
    "servers",
    ["confluent://localhost:9092", "kafka://a:1", "a:1,confluent://b:2", "SASL_SSL://a:1", "batched://a:1"],
)
def test_a_url_scheme_is_refused(servers: str) -> None:
    assert "URL scheme" in problems(kafka_bootstrap_servers=servers)


@pytest.mark.parametrize("servers", ["", "localhost", "::1:9092", "a:1;b:2", "a:1,", "a:port", "me:pw@a:1"])
def test_anything_else_is_no_server(servers: str) -> None:
    found = problems(kafka_bootstrap_servers=servers)
    assert "not host:port" in found
    assert "pw" not in found


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_tls_files_without_tls_are_refused(pem: Path, protocol: str) -> None:
    sasl = SASL if protocol.startswith("SASL") else {}
    found = problems(kafka_security_protocol=protocol, kafka_ssl_ca_file=pem / "ca.pem", **sasl)
    assert "INTERESTFLOW_KAFKA_SSL_CA_FILE" in found
    assert "SASL_SSL" in found if sasl else "to SSL" in found


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
def test_a_login_without_sasl_is_refused_and_each_part_is_named(protocol: str) -> None:
    found = problems(kafka_security_protocol=protocol, **SASL)
    for name in ("MECHANISM", "USERNAME", "PASSWORD"):
        assert f"INTERESTFLOW_KAFKA_SASL_{name}" in found
    assert "secret" not in found


@pytest.mark.parametrize("one", ["kafka_ssl_cert_file", "kafka_ssl_key_file"])
def test_client_certificate_needs_its_key(pem: Path, one: str) -> None:
    assert "needs both" in problems(kafka_security_protocol="SSL", **{one: pem / "key.pem"})


def test_key_password_needs_a_key() -> None:
    assert "without a key" in problems(kafka_security_protocol="SSL", kafka_ssl_key_password="secret")


def test_missing_file_is_named(tmp_path: Path) -> None:
    found = problems(kafka_security_protocol="SSL", kafka_ssl_ca_file=tmp_path / "none.pem")
    assert "INTERESTFLOW_KAFKA_SSL_CA_FILE: there is no file" in found


def test_files_that_do_not_fit_are_refused(pem: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    assert "PEM" in problems(kafka_security_protocol="SSL", kafka_ssl_ca_file=tmp_path / "junk.pem")
    pair = {"kafka_ssl_cert_file": pem / "cert.pem", "kafka_ssl_key_file": pem / "another.pem"}
    assert "do not fit" in problems(kafka_security_protocol="SSL", kafka_ssl_ca_file=pem / "ca.pem", **pair)


def test_encrypted_key_needs_its_password(pem: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as keys

    key = keys.load_pem_private_key((pem / "key.pem").read_bytes(), None)
    locked = keys.BestAvailableEncryption(b"secret")
    data = key.private_bytes(keys.Encoding.PEM, keys.PrivateFormat.PKCS8, locked)
    (tmp_path / "locked.pem").write_bytes(data)
    given = {
        "kafka_security_protocol": "SSL",
        "kafka_ssl_ca_file": pem / "ca.pem",
        "kafka_ssl_cert_file": pem / "cert.pem",
        "kafka_ssl_key_file": tmp_path / "locked.pem",
    }
    assert "KEY_PASSWORD" in problems(**given)
    assert "KEY_PASSWORD" in problems(**given, kafka_ssl_key_password="wrong")
    assert problems(**given, kafka_ssl_key_password="secret") == ""


@pytest.mark.parametrize("build", [security.require, *BUILDERS])
def test_no_client_gets_a_configuration_from_refused_settings(build: Callable[[KafkaSettings], Any]) -> None:
    with pytest.raises(SecurityError, match=r"(?s)SASL_USERNAME.*SASL_PASSWORD"):
        build(Settings(**SASL).kafka)


def test_plaintext_has_no_security() -> None:
    settings = Settings(kafka_bootstrap_servers="a:1")
    assert security.librdkafka_config(settings.kafka, "us") == {
        "bootstrap.servers": "a:1",
        "security.protocol": "PLAINTEXT",
        "reconnect.backoff.max.ms": security.LONGEST_RECONNECT_MS,
        "client.id": "us",
        "log_level": 0,
    }
    assert security.aiokafka_config(settings.kafka) == {
        "bootstrap_servers": "a:1",
        "security_protocol": "PLAINTEXT",
    }
    assert security.faust_broker_credentials(settings.kafka) is None


OAUTH = {
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_mechanism": "OAUTHBEARER",
    "kafka_oauth_token_endpoint_url": "https://login.example.org/token",
    "kafka_oauth_client_id": "us",
    "kafka_oauth_client_secret": "secret",
}


def test_client_credentials_are_a_log_in() -> None:
    assert problems(**OAUTH) == ""
    assert "secret" not in repr(security.librdkafka_config(Settings(**OAUTH).kafka, "us"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kafka_sasl_password": "pw"}, "KAFKA_SASL_PASSWORD: given, but OAUTHBEARER does not use it"),
        ({"kafka_oauth_token_endpoint_url": "http://login.example.org/token"}, "must begin with https://"),
        ({"kafka_oauth_extensions": "logicalCluster"}, "not key=value"),
    ],
)
def test_what_client_credentials_cannot_do_is_refused(fields: dict[str, str], said: str) -> None:
    assert said in problems(**{**OAUTH, **fields})


def test_aws_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = problems(kafka_security_protocol="SASL_PLAINTEXT", kafka_sasl_mechanism="AWS_MSK_IAM")
    for said in ("needs SASL_SSL", "INTERESTFLOW_KAFKA_AWS_REGION", "pip install 'interestflow[aws]'"):
        assert said in found


def test_without_a_ca_file_every_client_uses_the_systems() -> None:
    config = security.librdkafka_config(Settings(kafka_security_protocol="SSL").kafka, "us")
    paths = ssl.get_default_verify_paths()
    assert config["ssl.ca.location"] in (paths.cafile, paths.capath)


def test_tls_reaches_every_client_and_names_are_checked(pem: Path) -> None:
    settings = Settings(
        kafka_security_protocol="SSL",
        kafka_ssl_ca_file=pem / "ca.pem",
        kafka_ssl_cert_file=pem / "cert.pem",
        kafka_ssl_key_file=pem / "key.pem",
    )
    config = security.librdkafka_config(settings.kafka, "us")
    assert config["ssl.endpoint.identification.algorithm"] == "https"
    assert config["enable.ssl.certificate.verification"] is True
    assert config["ssl.key.location"] == str(pem / "key.pem")
    credentials = security.faust_broker_credentials(settings.kafka)
    assert credentials.protocol is AuthProtocol.SSL
    for context in (credentials.context, security.aiokafka_config(settings.kafka)["ssl_context"]):
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_login_reaches_faust_as_it_reaches_aiokafka(pem: Path, protocol: str, mechanism: str) -> None:
    ca = {"kafka_ssl_ca_file": pem / "ca.pem"} if protocol == "SASL_SSL" else {}
    given = {**SASL, **ca, "kafka_sasl_mechanism": mechanism, "kafka_security_protocol": protocol}
    settings = Settings(**given)
    credentials = security.faust_broker_credentials(settings.kafka)
    assert credentials.protocol is AuthProtocol(protocol)
    assert credentials.mechanism is SASLMechanism(mechanism)
    auth = credentials_to_aiokafka_auth(credentials, None)
    ours = security.aiokafka_config(settings.kafka)
    for key in ("security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password"):
        assert auth[key] == ours[key]
    assert (auth["ssl_context"] is not None) == (protocol == "SASL_SSL")
    if protocol == "SASL_SSL":
        assert auth["ssl_context"].check_hostname


def test_clients_of_the_same_settings_are_named_by_their_group() -> None:
    settings = Settings(app="shop", generation=3)
    assert client_config(settings) == security.librdkafka_config(settings.kafka, "shop-g3")
