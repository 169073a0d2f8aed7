"""The engines of the Java world: Flink on either state backend, and Kafka Streams; run only where they are named.

Java is that of the local broker. The jars come from Maven Central, and the sources in `java` are compiled by
Eclipse's compiler, a jar too, since a runtime alone has none; both once, into a folder of their own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from streams.bench.cluster import Cluster
from streams.bench.errors import BenchError
from streams.bench.peers import Peer, job
from streams.bench.process import problem_of
from streams.bench.stream.contender import Contender, Form, Launch, Wiring
from streams.local_kafka import local_kafka
from streams.local_kafka.install import (
    KAFKA_VERSION,
    LocalKafkaError,
    fetch_jars,
    find_java,
    publish,
)

SOURCES = Path(__file__).parent / "java"
FLINK_VERSION = "2.2.1"
# The `!` keeps the connector's own bill of materials out, which would bring parts of an older Flink.
FLINK_JARS = "+".join(
    (
        *(f"org.apache.flink:flink-{part}:{FLINK_VERSION}" for part in ("streaming-java", "clients")),
        *(
            f"org.apache.flink:flink-{part}:{FLINK_VERSION}"
            for part in ("connector-base", "statebackend-rocksdb")
        ),
        "org.apache.flink:flink-connector-kafka:5.0.0-2.2!",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!",
    )
)
STREAMS_JARS = (
    f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}+org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"
)
COMPILER = "org.eclipse.jdt:ecj:3.42.0"
COMPILE_DEADLINE_S = 300.0
# What the oldest Java that starts a broker runs.
BYTECODE = "17"
# Flink's own list for Java 17 and later.
OPENED = (
    *("lang", "net", "io", "nio", "lang.reflect", "text", "time"),
    *("util", "util.concurrent", "util.concurrent.atomic", "util.concurrent.locks"),
)
OPTIONS = (
    *(
        "-Xms1g",
        "-Xmx1g",
        "-XX:+UseParallelGC",
        f"-Dlog4j2.configurationFile={SOURCES / 'log4j2.properties'}",
    ),
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
)


@dataclass(frozen=True, slots=True)
class Program:
    """A class with `main`, the Maven coordinates that it needs, and what it is given behind the job's file."""

    name: str
    jars: str
    main: str
    arguments: tuple[str, ...] = ()


FLINK = f"flink-{FLINK_VERSION}"
CHECKPOINTS = (
    "A checkpoint each second; behind a crash events are handled again, and their vectors come twice"
)
PEERS = (
    (
        Peer(
            "flink",
            {Form.TOUCHED: 2.0, Form.EVENT: 2.0},
            f"Flink {FLINK_VERSION}, state in memory. {CHECKPOINTS}",
        ),
        Program(FLINK, FLINK_JARS, "FlinkPeer", ("hashmap",)),
    ),
    (
        Peer(
            "flink-rocksdb",
            {Form.TOUCHED: 1.0, Form.EVENT: 1.0},
            f"Flink {FLINK_VERSION}, state in RocksDB, which may be larger than memory. {CHECKPOINTS}",
        ),
        Program(FLINK, FLINK_JARS, "FlinkPeer", ("rocksdb",)),
    ),
    (
        Peer(
            "kafka-streams",
            {Form.TOUCHED: 0.3, Form.EVENT: 0.3},
            f"Kafka Streams {KAFKA_VERSION}. RocksDB with a changelog, flushed before it commits each second: at "
            "least once, an event may count twice; a vector that waits for its interval is lost in a crash",
        ),
        Program(f"kafka-streams-{KAFKA_VERSION}", STREAMS_JARS, "KafkaStreamsPeer"),
    ),
)
NAMES = tuple(peer.name for peer, _ in PEERS)


def contenders(names: set[str], forms: Collection[Form], say: Callable[[str], None]) -> list[Contender]:
    """The engines of these names in these forms; where Java or the jars cannot be had, they are missing."""
    found = []
    for peer, program in PEERS:
        if peer.name in names:
            prepare, note = None, peer.note
            try:
                prepare = _starter(make_ready(program, say), program)
            except (BenchError, LocalKafkaError) as error:
                note = f"missing. {error}"
                say(note)
            chosen = [form for form in forms if form in peer.shares]
            found += [Contender(peer.name, peer.shares[form], note, prepare, form) for form in chosen]
    return found


def home() -> Path:
    """The folder of their jars and classes."""
    return local_kafka.default_home().parent / "bench-jars"


def make_ready(program: Program, say: Callable[[str], None]) -> list[str]:
    """The command that runs it, but for the job's file. Raises BenchError or LocalKafkaError that say what to do."""
    java = str(find_java().program)
    jars = _jars(program.name, program.jars, say)
    sources = [SOURCES / f"{name}.java" for name in ("Arithmetic", program.main)]
    text = "".join(source.read_text() for source in sources)
    classes = jars.with_name(f"{jars.name}-{blake2b(text.encode(), digest_size=8).hexdigest()}")
    if not classes.is_dir():
        _compile(java, _classpath(jars), _jars("ecj", COMPILER, say), sources, classes)
    return [java, *OPTIONS, "-cp", f"{classes}:{_classpath(jars)}", program.main]


def _jars(name: str, coordinates: str, say: Callable[[str], None]) -> Path:
    """Folder of the jars, fetched where it is not there."""
    folder = home() / name
    if not folder.is_dir():
        say(f"fetching {name} into {folder} (once)")
        folder.parent.mkdir(parents=True, exist_ok=True)
        fetch_jars(name, coordinates, folder)
    return folder


def _classpath(jars: Path) -> str:
    return ":".join(map(str, sorted(jars.glob("*.jar"))))


def _compile(java: str, classpath: str, compiler: Path, sources: list[Path], classes: Path) -> None:
    """Into a temporary folder that is renamed, so that `classes` is complete once it exists."""
    with tempfile.TemporaryDirectory(dir=classes.parent, prefix=".compiling-") as temporary:
        made = Path(temporary) / "classes"
        level = ["-nowarn", "-source", BYTECODE, "-target", BYTECODE]
        command = [java, "-cp", _classpath(compiler), "org.eclipse.jdt.internal.compiler.batch.Main", *level]
        command += ["-classpath", classpath, "-d", str(made), *map(str, sources)]
        if (said := problem_of(command, COMPILE_DEADLINE_S)) is not None:
            raise BenchError(f"{sources[-1].name} cannot be compiled with {java}: {said}")
        publish(made, classes)


def _starter(command: list[str], program: Program) -> Callable[[Cluster, Wiring], Launch]:
    def prepare(_cluster: Cluster, wiring: Wiring) -> Launch:
        file = wiring.home / f"{wiring.group}.json"
        file.write_text(json.dumps(job(wiring)))
        (wiring.home / wiring.group).mkdir()
        return Launch([*command, str(file), *program.arguments], {})

    return prepare
