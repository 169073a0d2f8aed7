"""What every section of the settings is: fields, the flat names by which users set them, and their variables."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_settings import NoDecode

ENV_PREFIX = "INTERESTFLOW_"


class Section(BaseModel):
    """Settings that belong together.

    Users set a field by its flat name, which is its alias, or its own name where it has none. The environment variable
    is INTERESTFLOW_ + the flat name in upper case. The comment above a field gives its unit, and says how to choose it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def flat_names(cls) -> dict[str, str]:
        """Flat name -> name of the field."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of a field."""
        return ENV_PREFIX + (cls.model_fields[name].alias or name).upper()


def _listed(given: object) -> object:
    if not isinstance(given, str):
        return given
    if given.strip().startswith("["):
        return json.loads(given)
    return [part.strip() for part in given.split(",") if part.strip()]


# `a,b` as it fits on a command line and in the environment, or a JSON list; a list in TOML.
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
