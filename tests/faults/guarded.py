"""A broker with ACLs, and deployments whose workers log in to it and have only the rights that they need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AclBinding, AclBindingFilter, AclOperation, AdminClient

from streams.kafka.topics import rights
from streams.local_kafka import local_kafka
from streams.local_kafka.files import HOST
from tests import acls
from tests.faults.ingesting import Ingesting
from tests.faults.node import Node

USER, PASSWORD = "worker", "s3cret"


class GuardedNode(Node):
    """As a node, with a listener for a log-in by password. Who comes by another listener may do everything."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.guarded = f"{HOST}:{local_kafka.free_port()}"
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        added = {
            "listeners": f"GUARDED://{self.guarded}",
            "advertised.listeners": f"GUARDED://{self.guarded}",
            "listener.security.protocol.map": "GUARDED:SASL_PLAINTEXT",
        }
        self.properties |= {key: f"{self.properties[key]},{value}" for key, value in added.items()}
        self.properties |= {
            "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.guarded.plain.sasl.jaas.config": f'{module} required user_{USER}="{PASSWORD}";',
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on a topic or a group."""

    kind: str
    name: str
    operation: Any

    def binding(self) -> AclBinding:
        """The rule that gives it to the workers."""
        return acls.binding(USER, self.kind, self.name, self.operation)

    def give(self, admin: AdminClient) -> None:
        """Let the workers have it."""
        acls.give(admin, [self.binding()])

    def take(self, admin: AdminClient) -> None:
        """Take it from the workers, who have it."""
        one = self.binding()
        found = AclBindingFilter(
            one.restype,
            one.name,
            one.resource_pattern_type,
            one.principal,
            one.host,
            one.operation,
            one.permission_type,
        )
        for done in admin.delete_acls([found]).values():
            assert len(done.result(acls.ANSWER_S)) == 1, f"{self} was not there"


class Guarded(Ingesting):
    """The workers log in and have exactly the rights that a worker is said to need."""

    def __init__(self, servers: str, folder: Path, seed: int, *, guarded: str, **fields: Any) -> None:
        """servers: listener of the tests. guarded: that of the workers."""
        super().__init__(servers, folder, seed, **fields)
        log_in = {
            "kafka_bootstrap_servers": guarded,
            "kafka_security_protocol": "SASL_PLAINTEXT",
            "kafka_sasl_mechanism": "PLAIN",
            "kafka_sasl_username": USER,
            "kafka_sasl_password": PASSWORD,
        }
        self.crew.settings = self.settings.model_copy(update=log_in)
        needs = rights.needs(self.settings)
        self.rights = [Right(need.kind, need.name, op) for need in needs for op in need.operations]
        for right in self.rights:
            right.give(self.admin)

    def losable(self) -> list[Right]:
        """Those that a running worker uses with its events, so that it meets the loss of any of them."""
        s = self.settings.topics
        write = (s.state, s.vectors, s.canonical, s.rejected)
        read = (*(source.topic for source in s.raw_sources), s.group)
        return [
            right
            for right in self.rights
            if right.name in (write if right.operation == AclOperation.WRITE else read)
        ]
