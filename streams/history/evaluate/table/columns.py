"""The columns of a table, as a TOML file names them: a data set, a task and settings of its own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from streams.datasets import DATASETS
from streams.history.evaluate.contenders import EvaluateError
from streams.history.evaluate.judge import Task

NEEDED, OPTIONAL = ("name", "data", "dataset"), ("task", "limit", "settings")
EXAMPLE = (
    'write [[column]] with name = "films", data = "ml-latest-small", dataset = "movielens", task = "novel"'
)


@dataclass(frozen=True, slots=True)
class Column:
    """name: the heading, and the column's folder in the report's. data: file or folder of the data set.

    limit: events at most. settings: by flat name, in place of those of the run.
    """

    name: str
    dataset: str
    data: Path
    task: Task = "novel"
    limit: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_columns(path: Path) -> list[Column]:
    """The file's tables `[[column]]`, at least one. A relative `data` lies beside the file. Raises EvaluateError."""
    try:
        written = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise EvaluateError(f"{path} cannot be read ({error}): {EXAMPLE}") from error
    found = written.pop("column", [])
    if written or not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise EvaluateError(f"{path} must hold tables [[column]] and nothing else: {EXAMPLE}")
    columns = [_column(path, number, one) for number, one in enumerate(found, 1)]
    if len({column.name for column in columns}) < len(columns):
        raise EvaluateError(f"{path} has two columns of one name: each has a folder of its own")
    return columns


def _column(path: Path, number: int, given: Mapping[str, Any]) -> Column:
    told = f"{path}, column {number}"
    if missing := [name for name in NEEDED if not isinstance(given.get(name), str)]:
        raise EvaluateError(f"{told} lacks {', '.join(missing)}: {EXAMPLE}")
    if unknown := given.keys() - {*NEEDED, *OPTIONAL}:
        raise EvaluateError(f"{told} has no {', '.join(sorted(unknown))}; there are: {', '.join(OPTIONAL)}")
    if given["dataset"] not in DATASETS:
        raise EvaluateError(f"{told}: no data set {given['dataset']!r}; there are: {', '.join(DATASETS)}")
    task, limit, settings = given.get("task", "novel"), given.get("limit"), given.get("settings", {})
    if task not in get_args(Task):
        raise EvaluateError(f"{told}: task is {' or '.join(get_args(Task))}, not {task!r}")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise EvaluateError(f"{told}: limit is a number of events, not {limit!r}")
    if not isinstance(settings, dict) or "/" in given["name"] or given["name"] in ("", ".", ".."):
        raise EvaluateError(f"{told}: settings is a table, and name is fit for a folder: {EXAMPLE}")
    data = path.parent / given["data"]
    return Column(given["name"], given["dataset"], data, cast(Task, task), limit, settings)
