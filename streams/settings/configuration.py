"""The settings of this process, and what is said of wrong ones: all of them at once, a secret never repeated.

Values come, in rising order, from the defaults, a TOML file, environment variables and command-line options.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streams.settings.errors import did_you_mean
from streams.settings.section import ENV_PREFIX
from streams.settings.settings import PLACES, SECTIONS, Settings, SettingsError

CONFIG_VARIABLE = "INTERESTFLOW_CONFIG"
# In what pydantic-settings says of a variable that it cannot decode.
FIELD = re.compile(r'parsing value for field "(\w+)"')


class _Prefixed(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX)


# Every setting by its flat name: which of them are JSON in a variable, the types say.
_TYPES: dict[str, Any] = {
    flat: (SECTIONS[section].model_fields[name].rebuild_annotation(), None)
    for flat, (section, name) in PLACES.items()
}
_FLAT = create_model("Flat", __base__=_Prefixed, **_TYPES)


def load(config: Path | None = None, **options: Any) -> Settings:
    """Settings from options, environment and file. Raises SettingsError that names every wrong one."""
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)
    file = os.environ.get(CONFIG_VARIABLE)
    if file and not Path(file).is_file():
        raise SettingsError(
            f"settings file {file} does not exist: give --config or {CONFIG_VARIABLE} an existing TOML file"
        )
    lines = [f"{name}: no such setting; see `interestflow settings` for the names" for name in _unknown()]
    try:
        settings = Settings(**_given(file, options))
    except ValidationError as error:
        lines += [_sentence(problem, file) for problem in error.errors()]
    except ValueError as error:
        lines.append(_unparsed(error, file))
    if lines:
        raise SettingsError("wrong settings:\n  " + "\n  ".join(lines))
    return settings


def _unknown() -> Iterator[str]:
    """Variables with our prefix that are no setting, in order."""
    for name in sorted(os.environ):
        if (
            name.startswith(ENV_PREFIX)
            and name.removeprefix(ENV_PREFIX).lower() not in PLACES
            and not name.startswith(("INTERESTFLOW_TEST_", "INTERESTFLOW_HOME", CONFIG_VARIABLE))
        ):
            yield name


def _given(file: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Values by flat name. Raises ValueError for TOML or JSON that does not parse."""
    written = TomlConfigSettingsSource(_FLAT, Path(file))() if file else {}
    found = _merged(written, EnvSettingsSource(_FLAT)())
    return _merged(found, {name: value for name, value in options.items() if value is not None})


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """The values of both, those of `high` first; of two dicts, the keys of both."""
    merged = dict(low)
    for name, value in high.items():
        under = merged.get(name)
        merged[name] = _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _unparsed(error: ValueError, file: str | None) -> str:
    """What is wrong with the file's TOML, with its line, or with the JSON of a variable."""
    if (field := FIELD.search(str(error))) is not None:
        return f"{ENV_PREFIX}{field[1].upper()}: it is not JSON ({error.__cause__})"
    return f"settings file {file} does not parse: {error}"


def is_secret(name: str) -> bool:
    """Whether a setting's value is never shown."""
    return any(word in name for word in ("password", "api_key", "secret"))


def _sentence(problem: Any, file: str | None) -> str:
    """What is wrong with one setting; a secret is never repeated. file: in which an unknown one stands."""
    first, *rest = problem["loc"]
    if problem["type"] == "extra_forbidden":
        name = str(problem["loc"][-1])
        return f"{file}: no setting {name}.{did_you_mean(name, PLACES)} See `interestflow settings` for the names"
    path = rest if first in SECTIONS else [first, *rest]
    field = ".".join(str(part) for part in path)
    if not field:
        return str(problem["msg"]).removeprefix("Value error, ")
    shown = "" if is_secret(field) else f" (got {problem['input']!r})"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{ENV_PREFIX}{field.upper()}: {said}{shown}"[:400]
