"""The house rules: which way imports point, where concrete classes are named, what the top level holds."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("streams", "encoders", "sinks")
KAFKA = {"faust", "mode", "aiokafka", "confluent_kafka"}
PURE = {
    "streams.events.rejections",
    "streams.events.canonical",
    "streams.flow.flow",
    "streams.flow.batch",
    "streams.interest",
    "streams.recommend",
}

TOP_LEVEL = {
    *PACKAGES,
    *("deploy", "tests", "pyproject.toml", "README.md"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "constraints.txt", ".ci", ".gitignore"),
    "RELIABILITY.md",  # written by `make faults`
}

# What is chosen by a setting, and the files beside its own that may name it: where things are built, and lists.
CONCRETE = {
    "DecayModel": {"streams/interest/__init__.py"},
    "ContentRecommender": {"streams/recommend/__init__.py"},
    "NativeAdapter": {"streams/events/adapters/__init__.py"},
    "CloudEventsAdapter": {"streams/events/adapters/__init__.py"},
    "HashingEncoder": set(),
    "TransformerEncoder": set(),
    "OnnxEncoder": set(),
    "ProjectedEncoder": set(),
    "AttentionPooling": set(),
    "TopicEncoder": {"streams/learn/fit.py"},
    "CachedEncoder": set(),
    "LexiconSentiment": set(),
    "SentimentClassifier": set(),
    "VectorStore": set(),
    "RemoteEncoder": set(),
    "EncoderPool": set(),
    "ImageEncoder": {"encoders/media/film.py"},  # which takes the frames of films to it
    "FilmEncoder": set(),
    "SpeechTranscriber": set(),
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


@cache
def imports(module: str) -> frozenset[str]:
    """Names of the modules that a module imports anywhere in it, within functions too."""
    found = set()
    for statement in statements(ast.parse(MODULES[module].read_text()).body):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{module} imports relatively"
            origin = statement.module or ""
            # `from package import thing` means the package's module of that name, where there is one.
            found |= {
                f"{origin}.{a.name}" if f"{origin}.{a.name}" in MODULES else origin for a in statement.names
            }
    return frozenset(found)


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


@pytest.mark.parametrize("package", sorted(PURE))
def test_what_happens_to_an_event_knows_neither_kafka_nor_metrics(package: str) -> None:
    assert within(package)
    assert trespasses(package, {*KAFKA, "prometheus_client", "torch", "transformers"}) == []


@pytest.mark.parametrize(("package", "other"), [("interest", "recommend"), ("recommend", "interest")])
def test_interest_and_recommend_meet_only_in_the_flow(package: str, other: str) -> None:
    seen = {target for module in within(f"streams.{package}") for target in reached(module)}
    assert not seen & set(within(f"streams.{other}"))


def test_the_walk_follows_imports() -> None:
    """Were it blind, the rules above would hold of anything."""
    assert {"faust", "confluent_kafka", "prometheus_client"} <= {
        name.partition(".")[0] for name in reached("streams.wiring.app")
    }
    assert "streams.state.store" in reached("streams.flow.flow")


@pytest.mark.parametrize("name", sorted(CONCRETE))
def test_concrete_classes_are_named_where_things_are_built_and_in_lists(name: str) -> None:
    naming = [path for path in source_files() if re.search(rf"\b{name}\b", path.read_text())]
    (own,) = [path for path in naming if f"class {name}" in path.read_text()]
    # A benchmark says itself what it measures.
    others = {str(path.relative_to(ROOT)) for path in naming if path != own and "bench" not in path.parts}
    assert (
        others
        <= {"streams/wiring/app.py", "streams/wiring/encoder.py", "streams/wiring/media.py"} | CONCRETE[name]
    )


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
