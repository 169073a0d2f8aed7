"""The house rules: which way imports point, where concrete classes are named, what the top level holds."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from streams.settings.registries import ENCODERS, FORMATS, MODELS, RECOMMENDERS, SINKS

ROOT = Path(__file__).parent.parent
PACKAGES = ("streams", "encoders", "sinks")
KAFKA = {"faust", "mode", "aiokafka", "confluent_kafka"}

# The rooms of a package, from the ground up: each imports only from itself and from those before it.
ROOMS = {
    "streams": (
        *(
            "settings",
            "kernels",
            "events",
            "items",
            "interest",
            "recommend",
            "datasets",
            "state",
            "flow",
            "ops",
            "catalog",
            "kafka",
        ),
        *("worker", "wiring", "processes", "local_kafka", "demo", "history", "learn", "bench", "commands"),
    ),
    "encoders": (
        *("core", "fitted", "checkpoints", "remote", "serving"),
        *("text", "onnx", "media", "sentiment", "training"),
    ),
}
# Rooms that know nothing of one another, in whichever order they stand.
STRANGERS = ({"interest", "recommend", "datasets"},)
# What a room holds at most beside its `__init__`.
ROOM_FILES = 12
# Lines of a file, and of a function's body without its docstring, at most.
FILE_LINES, BODY_LINES = 250, 25
# Rooms without a Kafka client, metrics or models: what happens to an event is the same wherever it is run.
PURE = (
    "streams.events",
    "streams.items",
    "streams.interest",
    "streams.recommend",
    "streams.state",
    "streams.flow",
)

TOP_LEVEL = {
    *PACKAGES,
    *("deploy", "docs", "tests", "pyproject.toml", "README.md"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "constraints.txt", ".ci", ".gitignore"),
    "RELIABILITY.md",  # written by `make faults`
}

# Classes that settings without a registry choose; those of a registry are found by `chosen_by_registry`.
CHOSEN_OTHERWISE = {
    *("AttentionPooling", "ProjectedEncoder", "CachedEncoder", "VectorStore", "EncoderPool"),
    *("LexiconSentiment", "SentimentClassifier"),
    *("ImageEncoder", "FilmEncoder", "SpeechTranscriber", "FusedEncoder", "LateFusion", "GatedFusion"),
}
# Files beside its own and those of `wiring` that name such a class all the same.
MAY_NAME = {
    "ContentRecommender": {"streams/recommend/__init__.py"},
    "TopicEncoder": {"streams/learn/fit.py"},
    "ImageEncoder": {"encoders/media/film.py"},  # which takes the frames of films to it
    "FusedEncoder": {"streams/learn/fit_fusion.py"},
    "LateFusion": {"streams/learn/fit_fusion.py"},
    "GatedFusion": {"encoders/training/fusion_training.py", "streams/learn/fit_fusion.py"},
}


def source_files() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in source_files()}


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements but those that only a type checker sees."""
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            continue
        yield statement
        for field in ("body", "orelse", "finalbody", "handlers"):
            yield from statements(getattr(statement, field, []))


def imported(nodes: Iterable[ast.AST], module: str) -> set[str]:
    """Names of the modules that these statements import."""
    found = set()
    for statement in nodes:
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{module} imports relatively"
            origin = statement.module or ""
            # `from package import thing` means the package's module of that name, where there is one.
            found |= {
                f"{origin}.{a.name}" if f"{origin}.{a.name}" in MODULES else origin for a in statement.names
            }
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """Names of the modules that a module imports when it runs, within functions too."""
    return frozenset(imported(statements(ast.parse(MODULES[module].read_text()).body), module))


def room(module: str) -> str | None:
    """The room of a module: the package within `streams` or `encoders`; None for what stands in neither."""
    package, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    return name if name in ROOMS.get(package, ()) else None


def out_of_order(module: str, source: str) -> list[str]:
    """What a module imports from a room that stands behind its own. All imports count, a type checker's too."""
    package, own = module.partition(".")[0], room(module)
    if own is None:
        return []
    order = ROOMS[package].index
    found = []
    for target in sorted(imported(ast.walk(ast.parse(source)), module)):
        other = room(target) if target.partition(".")[0] == package else None
        if other is None or other == own:
            continue
        if order(other) > order(own) or any({own, other} <= group for group in STRANGERS):
            found.append(f"{module} imports {target}")
    return found


def reached(module: str) -> dict[str, str]:
    """Every module that importing this one imports in the end -> the one that imports it."""
    via: dict[str, str] = {}
    pending = [module]
    while pending:
        current = pending.pop()
        parents = {current.rpartition(".")[0]} & MODULES.keys()
        for target in imports(current) | parents:
            if target not in via:
                via[target] = current
                if target in MODULES:
                    pending.append(target)
    return via


def within(package: str) -> list[str]:
    return [module for module in MODULES if module == package or module.startswith(package + ".")]


def trespasses(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{module} imports {target} (in {importer})"
        for module in within(package)
        for target, importer in reached(module).items()
        if target.partition(".")[0] in forbidden
    ]


def test_encoders_know_no_stream() -> None:
    assert trespasses("encoders", {"streams", "sinks", *KAFKA}) == []


def test_sinks_know_no_models() -> None:
    assert trespasses("sinks", {"streams", "encoders", "torch", "faust", "mode", "aiokafka"}) == []


@pytest.mark.parametrize("package", PURE)
def test_what_happens_to_an_event_knows_neither_kafka_nor_metrics(package: str) -> None:
    assert within(package)
    assert trespasses(package, {*KAFKA, "prometheus_client"}) == []


def test_stages_know_neither_threads_nor_publishing_nor_metrics() -> None:
    """The runner alone decides on which thread a stage runs, and what becomes of its outputs."""
    foreign = {"asyncio", "threading", "concurrent", "faust", "prometheus_client"}
    stages = [module for module in within("streams.worker.stages") if module != "streams.worker.stages"]
    assert stages
    for module in stages:
        for target in imports(module):
            assert target.partition(".")[0] not in foreign, f"{module} imports {target}"
            if target.startswith(("streams.ops", "streams.worker", "sinks")):
                allowed = ("streams.worker.stages.outputs", "sinks.base")
                assert target in allowed, f"{module} imports {target}"


def test_rooms_import_only_from_rooms_before_them() -> None:
    assert [line for module, path in MODULES.items() for line in out_of_order(module, path.read_text())] == []


@pytest.mark.parametrize(
    "planted",
    [
        "from streams.worker import worker",
        "import streams.worker.worker",
        "def f():\n    from streams.kafka.reading import read_all",
        "if TYPE_CHECKING:\n    from streams.ops.metrics import Metrics",
    ],
)
def test_an_import_against_the_order_is_found(planted: str) -> None:
    assert out_of_order("streams.flow.flow", planted)
    assert out_of_order("streams.commands.main", planted) == []


def test_an_import_of_a_stranger_is_found() -> None:
    assert out_of_order("streams.recommend.content", "from streams.interest.decay import DecayModel")


def test_every_module_has_a_room() -> None:
    wiring = {"streams", "streams.__main__", "encoders"}
    assert [m for m in MODULES if m.partition(".")[0] in ROOMS and m not in wiring and room(m) is None] == []


def test_rooms_say_what_they_are_for_and_hold_few_files() -> None:
    for folder in sorted({path.parent for path in MODULES.values()}):
        text = (folder / "__init__.py").read_text()
        assert ast.get_docstring(ast.parse(text)), f"{folder} has no docstring"
        assert len(list(folder.glob("*.py"))) - 1 <= ROOM_FILES, (
            f"{folder} holds more than {ROOM_FILES} files"
        )


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, without its docstring."""
    body = function.body[ast.get_docstring(function) is not None :]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_file_and_no_function_is_long() -> None:
    long = []
    for module, path in MODULES.items():
        text = path.read_text()
        if text.count("\n") > FILE_LINES:
            long.append(module)
        functions = (
            n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        long += [f"{module}.{function.name}" for function in functions if body_lines(function) > BODY_LINES]
    assert long == []


def test_a_long_function_is_found() -> None:
    (function,) = ast.parse('def f():\n    """Says."""\n' + "    x = 1\n" * 26).body
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == 26


def test_the_walk_follows_imports() -> None:
    """Were it blind, the rules above would hold of anything."""
    assert {"faust", "confluent_kafka", "prometheus_client"} <= {
        name.partition(".")[0] for name in reached("streams.wiring.app")
    }
    assert "streams.state.store" in reached("streams.flow.flow")


def chosen_by_registry() -> set[str]:
    """Classes that our own factories make: those of the factory's module that it says it returns, or returns."""
    found: set[str] = set()
    for registry in (FORMATS, MODELS, RECOMMENDERS, SINKS, ENCODERS):
        for target in registry.built_in.values():
            module, _, factory = target.partition(":")
            body = ast.parse(MODULES[module].read_text()).body
            classes = {node.name for node in body if isinstance(node, ast.ClassDef)}
            (made,) = (n for n in body if isinstance(n, ast.FunctionDef) and n.name == factory)
            returned = (n.value for n in ast.walk(made) if isinstance(n, ast.Return))
            calls = (value.func for value in returned if isinstance(value, ast.Call))
            found |= classes & {ast.unparse(node) for node in (made.returns, *calls) if node is not None}
    return found


def test_the_classes_of_the_registries_are_found() -> None:
    assert {
        *("NativeAdapter", "DecayModel", "ContentRecommender", "MemoryDestination", "HashingEncoder")
    } <= chosen_by_registry()


@pytest.mark.parametrize("name", sorted(CHOSEN_OTHERWISE | chosen_by_registry()))
def test_only_wiring_and_the_registry_name_a_class_that_a_setting_chooses(name: str) -> None:
    naming = [path for path in source_files() if re.search(rf"\b{name}\b", path.read_text())]
    (own,) = [path for path in naming if re.search(rf"^class {name}\b", path.read_text(), re.MULTILINE)]
    # A benchmark says itself what it measures.
    others = {str(path.relative_to(ROOT)) for path in naming if path != own and "bench" not in path.parts}
    built = {"streams/wiring/app.py", "streams/wiring/encoder.py", "streams/wiring/media.py"}
    assert others <= built | MAY_NAME.get(name, set())


def tracked() -> list[Path]:
    """Files that are the project's: in git, or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_the_top_level_holds_only_what_it_may() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


# Written apart, so that this file does not hold what it looks for.
ISSUE = re.compile(r"(?i)\bissues? *#?\d+|\B#\d+\b(?!\w)")
ELSEWHERE = re.compile(r"(?<![\w.}])/(?:work|home|root|Users|mnt)/\w")


@pytest.mark.parametrize("pattern", [ISSUE, ELSEWHERE], ids=["issue number", "absolute path"])
def test_no_source_speaks_of_issues_or_of_somebodys_folders(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked()
        if path.suffix in (".py", ".toml", ".md", "") and path.name != "LICENSE"
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
