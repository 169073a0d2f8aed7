"""The settings of this process, and what is said of wrong ones: all of them at once, a secret never repeated."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streams.settings.settings import CONFIG_VARIABLE, ENV_PREFIX, Settings, SettingsError

# In what pydantic-settings says of a variable that it cannot decode.
FIELD = re.compile(r'parsing value for field "(\w+)"')


def load(config: Path | None = None, **options: Any) -> Settings:
    """Settings from options, environment and file. Raises SettingsError that names every wrong one."""
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)
    file = os.environ.get(CONFIG_VARIABLE)
    if file and not Path(file).is_file():
        raise SettingsError(
            f"settings file {file} does not exist: give --config or {CONFIG_VARIABLE} an existing TOML file"
        )
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(ENV_PREFIX)
        and name.removeprefix(ENV_PREFIX).lower() not in Settings.model_fields
        and not name.startswith(("INTERESTFLOW_TEST_", "INTERESTFLOW_HOME", CONFIG_VARIABLE))
    )
    lines = [f"{name}: no such setting; see `interestflow settings` for the names" for name in unknown]
    try:
        settings = Settings(**{key: value for key, value in options.items() if value is not None})
    except ValidationError as error:
        lines += [_sentence(problem) for problem in error.errors()]
    except ValueError as error:
        lines.append(_unparsed(error))
    if lines:
        raise SettingsError("wrong settings:\n  " + "\n  ".join(lines))
    return settings


def _unparsed(error: ValueError) -> str:
    """What is wrong with the file's TOML, with its line, or with the JSON of a variable."""
    if (field := FIELD.search(str(error))) is not None:
        return f"{ENV_PREFIX}{field[1].upper()}: it is not JSON ({error.__cause__})"
    return f"settings file does not parse: {error}"


def is_secret(name: str) -> bool:
    """Whether a setting's value is never shown."""
    return any(word in name for word in ("password", "api_key", "secret"))


def _sentence(problem: Any) -> str:
    """What is wrong with one setting; a secret is never repeated."""
    field = ".".join(str(part) for part in problem["loc"])
    if not field:
        return str(problem["msg"]).removeprefix("Value error, ")
    shown = "" if is_secret(field) else f" (got {problem['input']!r})"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{ENV_PREFIX}{field.upper()}: {said}{shown}"[:400]
