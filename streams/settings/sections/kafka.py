"""How Kafka is reached and logged in to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from streams.settings.section import Section

PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


class KafkaSettings(Section):
    """Where the brokers are, and who we are to them."""

    # host:port[,host:port…] of your brokers, an IPv6 address in brackets; the local broker of `interestflow kafka
    # start` by default.
    bootstrap_servers: str = Field(default="127.0.0.1:9092", alias="kafka_bootstrap_servers")
    # As in Kafka's own clients; TLS and SASL reach every client alike, or the start is refused.
    security_protocol: SecurityProtocol = Field(default="PLAINTEXT", alias="kafka_security_protocol")
    # PLAIN and SCRAM log in with user name and password, OAUTHBEARER with the client credentials below, and
    # AWS_MSK_IAM with the AWS credentials of the process (needs the extra `aws`). Kerberos (GSSAPI) is not supported.
    sasl_mechanism: SaslMechanism | None = Field(default=None, alias="kafka_sasl_mechanism")
    sasl_username: str | None = Field(default=None, alias="kafka_sasl_username")
    sasl_password: str | None = Field(default=None, alias="kafka_sasl_password")
    # OIDC client credentials: where to get a token, and as whom.
    oauth_token_endpoint_url: str | None = Field(default=None, alias="kafka_oauth_token_endpoint_url")
    oauth_client_id: str | None = Field(default=None, alias="kafka_oauth_client_id")
    oauth_client_secret: str | None = Field(default=None, alias="kafka_oauth_client_secret")
    # Asked of the token endpoint, where it wants one.
    oauth_scope: str | None = Field(default=None, alias="kafka_oauth_scope")
    # key=value,key=value for the brokers, where they want some (Confluent Cloud: logicalCluster, identityPoolId).
    oauth_extensions: str | None = Field(default=None, alias="kafka_oauth_extensions")
    # Of the cluster that AWS_MSK_IAM logs in to; AWS_REGION by default.
    aws_region: str | None = Field(default=None, alias="kafka_aws_region")
    # PEM files; the CA defaults to the system's.
    ssl_ca_file: Path | None = Field(default=None, alias="kafka_ssl_ca_file")
    ssl_cert_file: Path | None = Field(default=None, alias="kafka_ssl_cert_file")
    ssl_key_file: Path | None = Field(default=None, alias="kafka_ssl_key_file")
    ssl_key_password: str | None = Field(default=None, alias="kafka_ssl_key_password")

    @field_validator("bootstrap_servers")
    @classmethod
    def _without_spaces(cls, given: str) -> str:
        return ",".join(server.strip() for server in given.split(","))

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if not self.security_protocol.startswith("SASL"):
            return self
        if self.sasl_mechanism is None:
            raise ValueError(
                f"kafka_security_protocol: SASL needs {self.variable('sasl_mechanism')} and what it logs in with"
            )
        if self.sasl_mechanism in PASSWORD_MECHANISMS:
            needed = ["sasl_username", "sasl_password"]
        elif self.sasl_mechanism == "OAUTHBEARER":
            needed = ["oauth_token_endpoint_url", "oauth_client_id", "oauth_client_secret"]
        else:
            needed = []
        missing = [self.variable(name) for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(
                f"kafka_security_protocol: SASL with {self.sasl_mechanism} needs {', '.join(missing)}"
            )
        return self
