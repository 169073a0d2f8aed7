"""The knobs of how Kafka is reached and logged in to; a part of `settings`, whose rules hold here too."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, field_validator, model_validator

PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


class KafkaSettings(BaseModel):
    """Where the brokers are, and who we are to them."""

    # host:port[,host:port…] of your brokers, an IPv6 address in brackets; the local broker of `interestflow kafka
    # start` by default.
    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    # As in Kafka's own clients; TLS and SASL reach every client alike, or the start is refused.
    kafka_security_protocol: SecurityProtocol = "PLAINTEXT"
    # PLAIN and SCRAM log in with user name and password, OAUTHBEARER with the client credentials below, and
    # AWS_MSK_IAM with the AWS credentials of the process (needs the extra `aws`). Kerberos (GSSAPI) is not supported.
    kafka_sasl_mechanism: SaslMechanism | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = None
    # OIDC client credentials: where to get a token, and as whom.
    kafka_oauth_token_endpoint_url: str | None = None
    kafka_oauth_client_id: str | None = None
    kafka_oauth_client_secret: str | None = None
    # Asked of the token endpoint, where it wants one.
    kafka_oauth_scope: str | None = None
    # key=value,key=value for the brokers, where they want some (Confluent Cloud: logicalCluster, identityPoolId).
    kafka_oauth_extensions: str | None = None
    # Of the cluster that AWS_MSK_IAM logs in to; AWS_REGION by default.
    kafka_aws_region: str | None = None
    # PEM files; the CA defaults to the system's.
    kafka_ssl_ca_file: Path | None = None
    kafka_ssl_cert_file: Path | None = None
    kafka_ssl_key_file: Path | None = None
    kafka_ssl_key_password: str | None = None

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _without_spaces(cls, given: str) -> str:
        return ",".join(server.strip() for server in given.split(","))

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if not self.kafka_security_protocol.startswith("SASL"):
            return self
        if self.kafka_sasl_mechanism is None:
            raise ValueError(
                "kafka_security_protocol: SASL needs INTERESTFLOW_KAFKA_SASL_MECHANISM and what it logs in with"
            )
        if self.kafka_sasl_mechanism in PASSWORD_MECHANISMS:
            needed = ["kafka_sasl_username", "kafka_sasl_password"]
        elif self.kafka_sasl_mechanism == "OAUTHBEARER":
            needed = ["kafka_oauth_token_endpoint_url", "kafka_oauth_client_id", "kafka_oauth_client_secret"]
        else:
            needed = []
        missing = [f"INTERESTFLOW_{name.upper()}" for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(
                f"kafka_security_protocol: SASL with {self.kafka_sasl_mechanism} needs {', '.join(missing)}"
            )
        return self
