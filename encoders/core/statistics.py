"""What a transformer counts of its own work."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class EncodeStats:
    """Cumulative. tokens: special ones among them; padding: computed beyond them. Seconds: forward with pooling,
    on a GPU with waiting for it; copy: from the device to rows in the texts' order."""

    texts: int = 0
    tokens: int = 0
    padding: int = 0
    truncated: int = 0
    unknown: int = 0
    tokenize_s: float = 0.0
    forward_s: float = 0.0
    copy_s: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, **amounts: float) -> None:
        """To the fields of these names; several threads may encode at once."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def counts(self) -> dict[str, dict[str, int]]:
        """Tokens by kind; texts truncated (see base.counts)."""
        kinds = {"encoded": self.tokens, "padding": self.padding}
        return {"tokens": {**kinds, "truncated": self.truncated, "unknown": self.unknown}}

    def timings(self) -> dict[str, dict[str, float]]:
        """Seconds by step (see base.timings)."""
        return {"seconds": {"tokenize": self.tokenize_s, "forward": self.forward_s, "copy": self.copy_s}}
