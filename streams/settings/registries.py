"""What a setting may name: formats, interest models, recommenders, sinks and encoders.

A name stands for a factory, which is imported only when it is needed: a hashing encoder needs no torch. A package adds
its own by an entry point of the registry's group, whose object is the factory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import encoders
import sinks
from streams.settings.errors import UserError


class RegistryError(UserError, ValueError):
    """A name has no factory, or several. It is a ValueError too, so that settings report it with all other problems."""


class Registry:
    """Factories by name."""

    def __init__(
        self, kind: str, group: str, built_in: Mapping[str, str], reserved: Sequence[str] = ()
    ) -> None:
        """kind: what a name stands for, as messages call it. group: of the packages' entry points.

        built_in: our own names -> `module:factory`. reserved: valid names without a factory (`canonical` is read
        without an adapter).
        """
        self.kind, self.group, self.built_in, self.reserved = kind, group, dict(built_in), tuple(reserved)

    def __iter__(self) -> Iterator[str]:
        """All names that have a factory: our own, then those of installed packages."""
        return iter(dict.fromkeys((*self.built_in, *(point.name for point in self._points()))))

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or any(point.name == name for point in self._points())

    def require(self, name: str) -> str:
        """The same name. Raises RegistryError where no setting may have it."""
        if name not in self.reserved and name not in self:
            raise self._unknown(name)
        return name

    def require_all(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The same names. Raises RegistryError, see `require`."""
        return tuple(map(self.require, names))

    def build(self, name: str, *arguments: Any) -> Any:
        """What the factory makes of the arguments. Raises RegistryError, and what the factory raises."""
        return self._factory(name)(*arguments)

    def _factory(self, name: str) -> Callable[..., Any]:
        if name in self.built_in:
            module, _, factory = self.built_in[name].partition(":")
            found: Callable[..., Any] = getattr(import_module(module), factory)
            return found
        points = [point for point in self._points() if point.name == name]
        if not points:
            raise self._unknown(name)
        if len({point.value for point in points}) > 1:
            packages = ", ".join(sorted(point.dist.name for point in points if point.dist))
            raise RegistryError(f"several packages have a {self.kind} {name!r}: keep one of {packages}")
        try:
            loaded: Callable[..., Any] = points[0].load()
        except (ImportError, AttributeError) as error:
            value = points[0].value
            raise RegistryError(f"the {self.kind} {name!r} ({value}) cannot be imported: {error}") from error
        return loaded

    def _unknown(self, name: str) -> RegistryError:
        return RegistryError(
            f"no {self.kind} {name!r}; there are: {', '.join((*self, *self.reserved))}. For another one, install "
            f"the package that adds it by an entry point of the group {self.group}"
        )

    def _points(self) -> tuple[EntryPoint, ...]:
        return tuple(entry_points(group=self.group))


# factory(settings) -> streams.events.adapters.base.Adapter. Canonical events are read without an adapter.
FORMATS = Registry(
    "format",
    "interestflow.formats",
    {
        "native": "streams.events.adapters.native:from_settings",
        "cloudevents": "streams.events.adapters.cloudevents:from_settings",
    },
    reserved=("canonical",),
)
# factory(settings) -> streams.interest.base.InterestModel
MODELS = Registry("interest model", "interestflow.models", {"decay": "streams.interest.decay:from_settings"})
# factory(settings) -> streams.recommend.base.Recommender
RECOMMENDERS = Registry(
    "recommender",
    "interestflow.recommenders",
    {
        "content": "streams.recommend.content:from_settings",
        "hybrid": "streams.recommend.learned.hybrid:from_settings",
    },
)
# factory(settings, log) -> sinks.base.Destination. Raises sinks.base.DestinationError for a wrong setting.
SINKS = Registry("sink", "interestflow.sinks", sinks.BUILT_IN)
# factory(settings) -> encoders.core.base.Encoder
ENCODERS = Registry("encoder", "interestflow.encoders", encoders.BUILT_IN)

# The encoder that runs whatever has no registered name before a colon: the name or the folder of a model.
TRANSFORMERS = "transformers"
URLS = ("http://", "https://")
# The model of a package of its own (see encoders.checkpoints.loading), which has a name among the encoders.
DEMO = "demo"
# Share of equal letters from which a word is taken for a misspelt name.
NEAR = 0.75


def encoder_name(encoder: str) -> str:
    """The registered name in INTERESTFLOW_ENCODER: `onnx` of `onnx:FOLDER`, `remote` of a URL."""
    if encoder.startswith(URLS):
        return "remote"
    name = encoder.partition(":")[0]
    return name if name in ENCODERS else TRANSFORMERS


def require_encoder(encoder: str) -> str:
    """The same. Raises RegistryError where a word is no registered name, though it must be one or nearly is one.

    A model's name may be a single word too, so that only a near miss of a registered one is refused.
    """
    word, colon, _ = encoder.partition(":")
    # A folder may have a colon in its name; then it is written with a slash.
    if encoder.startswith(URLS) or "/" in word:
        return encoder
    if colon:
        ENCODERS.require(word)
    elif not Path(word).is_dir() and (meant := _meant(word)) is not None:
        known = ", ".join((DEMO, *ENCODERS))
        raise RegistryError(
            f"no encoder {word!r}: did you mean {meant!r}? There are: {known}. For a model that is really called so, "
            f"write {TRANSFORMERS}:{word}"
        )
    return encoder


def _meant(word: str) -> str | None:
    """The name that a word misses by a letter or so; None for a name, and for what is far from all of them."""
    if word == DEMO or word in ENCODERS:  # asked in this order, for it takes 10 ms to see what is installed
        return None
    return next(iter(get_close_matches(word.lower(), (DEMO, *ENCODERS), n=1, cutoff=NEAR)), None)
