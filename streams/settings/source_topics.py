"""The behaviour topics that a company's producers write, as the settings name them."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_settings import NoDecode

from streams.settings.registries import FORMATS
from streams.settings.topic_names import TopicName


class Source(BaseModel):
    """One behaviour topic and the format its producers write; `canonical` is consumed with no extra hop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: TopicName
    format: Annotated[str, AfterValidator(FORMATS.require)] = "native"


def parse(given: Any) -> Any:
    """`a:native,b:cloudevents`, as it fits on a command line, or a JSON list -> what validates as `Sources`."""
    if not isinstance(given, str):
        return given
    text = given.strip()
    if text.startswith("["):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"no JSON list ({error})") from error
    pairs = (part.strip().rpartition(":") for part in text.split(",") if part.strip())
    return [{"topic": topic or fmt, "format": fmt if topic else "native"} for topic, _, fmt in pairs]


Sources = Annotated[tuple[Source, ...], NoDecode, BeforeValidator(parse)]
