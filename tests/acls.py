"""Kafka's rules on who may do what (ACLs), for tests on a broker that has an authorizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
ANSWER_S = 30.0


def binding(user: str, kind: str, name: str, operation: Any) -> AclBinding:
    """The rule that lets a user do this with a topic or a group of this name, from any host."""
    literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    return AclBinding(KINDS[kind], name, literal, f"User:{user}", "*", operation, allow)


def give(admin: AdminClient, bindings: Sequence[AclBinding]) -> None:
    """Make these rules."""
    for done in admin.create_acls(list(bindings)).values():
        done.result(ANSWER_S)
