"""The docs say what is there: links, paths, settings, verbs, metrics and the stops of the tour all exist."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from streams.catalog.items import Item, decode_item
from streams.commands.main import app
from streams.events.adapters.native import NativeAdapter
from streams.events.canonical import Event
from streams.events.records import Record
from streams.events.rejections import Limits, Reason
from streams.flow.learning.next_uses import NextUses
from streams.flow.outputs import Writer
from streams.interest.base import Interests
from streams.ops.collectors import PREFIX
from streams.ops.metrics import ENCODER_COUNTS, Metrics
from streams.recommend import Catalog
from streams.settings.action_rules import DEFAULT_ACTIONS
from streams.settings.configuration import CONFIG_VARIABLE
from streams.settings.section import ENV_PREFIX
from tests.test_house import ROOMS, source_files

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
READERS = ("app developers", "operators", "data scientists", "contributors")
MOST_WORDS_OF_README = 900
# Of the tour.
MOST_STOPS, MOST_FILES = 30, 15

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# A file or folder of ours, as docs write it.
MENTIONED = re.compile(r"`((?:streams|encoders|sinks|tests|docs)(?:/[\w.]+)*/?)`")
VARIABLE = re.compile(rf"\b{ENV_PREFIX}[A-Z0-9_]*[A-Z0-9_]…?")
# A call of the command line, in a block or between backticks.
CALL = re.compile(r"(?:^    (?:[A-Z_]+=\S+ )*|`)interestflow ([a-z][^`\n]*)", re.MULTILINE)
METRIC = re.compile(r"`interestflow_(\w+)[`{]")
# Variables that are no settings of a worker.
OTHER_VARIABLES = (CONFIG_VARIABLE, "INTERESTFLOW_TEST_", "INTERESTFLOW_FAULT")


def every(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """(document's name, what was found) of each find."""
    return [(path.name, found) for path in DOCS for found in pattern.findall(path.read_text())]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.findall(path.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    links = LINK.findall((ROOT / "README.md").read_text())
    assert [page.name for page in PAGES if f"docs/{page.name}" not in links] == []


def test_mentioned_paths_exist() -> None:
    assert [found for found in every(MENTIONED) if not (ROOT / found[1]).exists()] == []


def test_settings_exist() -> None:
    names = re.findall(r"^(\w+)=", CliRunner().invoke(app, ["settings"]).output, re.MULTILINE)
    assert f"{ENV_PREFIX}SOURCES" in names
    unknown = [
        (page, found)
        for page, found in every(VARIABLE)
        if found not in names
        and not found.startswith(OTHER_VARIABLES)
        # A group of settings, by how their names begin.
        and not (found.endswith("…") and any(name.startswith(found[:-1]) for name in names))
    ]
    assert unknown == []


def test_verbs_and_their_options_exist() -> None:
    wrong = [(page, call) for page, call in every(CALL) if problem(call)]
    assert wrong == []
    assert problem("fly away")
    assert problem("demo --no-such-option")


def problem(call: str) -> bool:
    """True where a call names a verb or an option that the command line does not have."""
    words = call.split("#")[0].split()
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return True
        command = command.commands[words.pop(0)]
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    given = [word.strip("[]") for word in words if word.strip("[").startswith("--")]
    return any(option not in known for option in given)


def test_metrics_exist() -> None:
    rooms = (ROOT / "streams" / name for name in ("ops", "processes"))
    sources = "".join(path.read_text() for room in rooms for path in room.rglob("*.py"))

    def known(name: str) -> bool:
        plain = name.removesuffix("_total")
        return any(f'{before}{one}"' in sources for one in forms(plain) for before in ('"', "}"))

    def forms(plain: str) -> tuple[str, str]:
        return plain, plain.removeprefix("encoder_")

    assert [found for found in every(METRIC) if not known(found[1])] == []
    assert not known("no_such_thing_total")


class NoLearner:
    def learn(self, *_: Any) -> None:
        raise AssertionError


def test_metrics_are_documented() -> None:
    metrics = Metrics()
    metrics.watch_users({})
    metrics.watch_items({})
    metrics.watch_counts({}, {})
    metrics.watch_lists(NextUses(NoLearner(), Catalog(1), 1))
    metrics.watch_exposure(dict)
    metrics.watch_feedback({})
    families = [(family.name, family.type) for family in metrics.registry.collect()]
    families += [(f"{PREFIX}encoder_{name}", "counter") for name in ENCODER_COUNTS]
    names = {name + ("_total" if kind == "counter" else "") for name, kind in families}
    assert names - {PREFIX + found for _, found in every(METRIC)} == set()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= MOST_WORDS_OF_README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_its_one_reader_first(page: Path) -> None:
    title, empty, first, *_ = page.read_text().splitlines()
    assert title.startswith("# ")
    assert not empty
    assert first.startswith("*For ")
    assert sum(first.startswith(f"*For {reader}") for reader in READERS) == 1


@cache
def names_in(path: Path) -> frozenset[str]:
    """Functions and classes at a module's top, and methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return frozenset(found)


STOP = re.compile(r"^\| [^|]+ \| `([\w.]+)` \| `([\w/.]+)` \|", re.MULTILINE)


def test_the_stops_of_the_tour_exist() -> None:
    stops = STOP.findall((ROOT / "docs" / "tour.md").read_text())
    assert len(stops) > 20
    assert [
        (name, path)
        for name, path in stops
        if not (ROOT / path).is_file() or name not in names_in(ROOT / path)
    ] == []


def test_what_the_stops_ask_exists() -> None:
    cells = re.findall(r"^\| \d+ \|.*\| ([^|]*) \|$", (ROOT / "docs" / "tour.md").read_text(), re.MULTILINE)
    asked = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    known = {name for path in source_files() for name in names_in(path)}
    assert len(asked) > 10
    assert asked - known == set()


def test_the_tour_is_short() -> None:
    """The numbered stops; side roads do not count."""
    text = (ROOT / "docs" / "tour.md").read_text()
    numbers, files = zip(
        *re.findall(r"^\| (\d+) \| `[^`]+` \| `([^`]+)` \|", text, re.MULTILINE), strict=True
    )
    assert numbers == tuple(str(number) for number in range(1, len(numbers) + 1))
    assert len(numbers) <= MOST_STOPS
    assert len(set(files)) <= MOST_FILES
    assert f"{len(numbers)} stops in {len(set(files))} files" in text


def examples(language: str, path: Path) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_examples_can_be_parsed(path: Path) -> None:
    for example in examples("json", path):
        json.loads(example)
    for example in examples("python", path):
        ast.parse(example)


def test_the_readmes_item_and_event_are_taken() -> None:
    item, event, *_ = (example.encode() for example in examples("json", ROOT / "README.md"))
    assert isinstance(decode_item(Record("catalog.items.v1", 0, 0, 0, b"42", item, ()), Limits()), Item)
    taken = NativeAdapter().parse(Record("shop.clicks", 0, 0, 0, b"u7", event, ()), Limits())
    assert [type(one) for one in taken] == [Event]


def test_every_reason_of_a_rejection_is_described() -> None:
    text = (ROOT / "docs" / "outputs.md").read_text()
    assert [reason.value for reason in Reason if f"`{reason.value}`" not in text] == []


def test_the_rule_of_the_highest_record_is_the_outputs_own() -> None:
    rule = next(example for example in examples("python", ROOT / "docs" / "outputs.md") if "ORDER" in example)
    made: dict[str, object] = {}
    exec(rule, made)
    newer = made["newer"]
    assert callable(newer)
    old = {"generation": 1, "count": 5, "offset": 9, "version": 6, "term": 3}
    assert newer(old, None)
    assert not newer(old, old)
    assert newer({**old, "term": 4}, old)
    assert newer({**old, "term": 4, "offset": 8}, old)
    assert not newer({**old, "count": 4, "offset": 99}, old)


@pytest.mark.parametrize("vector_format", ["base64", "f4le", "f2le"])
def test_the_reader_of_vectors_takes_what_is_written(vector_format: str) -> None:
    reader = next(e for e in examples("python", ROOT / "docs" / "outputs.md") if "def vector_record" in e)
    found: dict[str, Any] = {}
    exec(reader, found)
    vectors, one = np.array([[0.6, 0.8]], dtype=np.float32), np.ones(1, dtype=np.int64)
    states = np.zeros(1, dtype=[("offset", "<i8"), ("applied", "<i8"), ("epoch", "<i8")])
    writer = Writer("decay", 1, vector_format)
    records = writer.vectors(0, ["u"], states, one, one, Interests.single(vectors))
    made = writer.topic_records("t", records)
    record, vector = found["vector_record"](made.records[0][1], made.headers and made.headers[0])
    assert (record["user_id"], record["count"], "vector" in record) == ("u", 1, False)
    assert vector.dtype == np.float32
    assert np.allclose(vector, vectors[0], rtol=0.0005)


def test_the_weights_of_actions_are_the_defaults() -> None:
    rows = re.findall(
        r"^\| ((?:`\w+`[,;]? ?)+)\| ([-\d; ]+) \|", (ROOT / "docs" / "concepts.md").read_text(), re.MULTILINE
    )
    told = {}
    for names, weights in rows:
        groups, each = names.split(";"), weights.replace("-", "-").split(";")
        for group, weight in zip(groups, each, strict=True):
            told |= dict.fromkeys(re.findall(r"`(\w+)`", group), float(weight))
    assert told == {action: rule.weight for action, rule in DEFAULT_ACTIONS.items()}


def test_rooms_are_listed_from_the_ground_up() -> None:
    (table,) = re.findall(r"\| room \|.*?\n\n", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tuple(re.findall(r"`streams/(\w+)`", table)) == ROOMS["streams"]
    (line,) = re.findall(r"rooms of `encoders`.*", (ROOT / "CONTRIBUTING.md").read_text())
    assert tuple(re.findall(r"`(\w+)`", line))[1:] == ROOMS["encoders"]
