"""The settings files of a local Apache Kafka: one node on loopback, broker and controller in one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

HOST = "127.0.0.1"
# A caller's values of these are added to ours, since the controller's port is not known before the start.
ADDED = ("listeners", "advertised.listeners", "listener.security.protocol.map")
# Kafka closes its log itself: log4j's hook would close it before the shutdown is logged.
LOG4J = """\
status = warn
shutdownHook = disable
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {logs}/server.log
appender.file.filePattern = {logs}/server.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %c{{1}}: %m%n
appender.file.policies.type = SizeBasedTriggeringPolicy
appender.file.policies.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


def node_properties(home: Path, port: int, controller_port: int, given: Mapping[str, str]) -> dict[str, str]:
    """Settings of one node on loopback: small internal topics of one copy, nothing created by accident."""
    small = {
        f"{prefix}.{key}": value
        for prefix in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        for key, value in (("num.partitions", "4"), ("replication.factor", "1"))
    }
    ours = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(home / "data"),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.min.isr": "1",
        **small,
    }
    added = {key: f"{ours[key]},{given[key]}" for key in ADDED if key in given}
    return ours | dict(given) | added


def write_files(home: Path, properties: Mapping[str, str]) -> None:
    """`server.properties` and `log4j2.properties`, for the owner alone: settings may hold passwords."""
    shutil.rmtree(home / "tmp", ignore_errors=True)
    for name in ("logs", "tmp"):
        (home / name).mkdir(parents=True, exist_ok=True)
    # In a properties file a backslash escapes, and a line break would start another setting.
    values = {key: value.replace("\\", "\\\\").replace("\n", "\\n") for key, value in properties.items()}
    text = "".join(f"{key}={value}\n" for key, value in values.items())
    for name, content in (
        ("server.properties", text),
        ("log4j2.properties", LOG4J.format(logs=home / "logs")),
    ):
        (home / name).touch(mode=0o600)
        (home / name).write_text(content)
