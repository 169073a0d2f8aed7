"""What a state is built with, so that a worker that meets a state of other settings can name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BuiltWith:
    """settings: the values that decide a state, by variable. defaults: the values of those that are not set.

    versions: of what else decides it, by what it is called in a sentence.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, str]:
        """What a changelog record says of it: settings that are no defaults, and versions."""
        own = {name: value for name, value in self.settings.items() if value != self.defaults.get(name)}
        return {**own, **self.versions}

    def differences(self, told: Mapping[str, str]) -> list[str]:
        """What differs from a state whose record says this, with both values; versions where no setting does."""
        before = {**self.defaults, **{name: told[name] for name in told if name not in self.versions}}
        found = [
            f"{name}={value} (now {self.settings.get(name, 'no setting of this version')})"
            for name, value in sorted(before.items())
            if value != self.settings.get(name)
        ]
        return found or [
            f"{name} {told[name]} (now {value})"
            for name, value in self.versions.items()
            if name in told and told[name] != value
        ]
