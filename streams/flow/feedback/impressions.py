"""What was shown to a user and waits for an answer, and what becomes of it."""

from __future__ import annotations

from typing import NamedTuple

from streams.flow.feedback.ids import ARMS, source_of

SHOWN, USED, IGNORED, DISPLACED = "shown", "used", "ignored", "displaced"
OUTCOMES = (SHOWN, USED, IGNORED, DISPLACED)


class Impression(NamedTuple):
    """One that waits, as in SHOWN_DTYPE."""

    item: int
    time: int
    list: int
    source: int
    place: int
    arm: int

    @property
    def name(self) -> str:
        """Arm and source, as counts have them."""
        return f"{ARMS[min(self.arm, len(ARMS) - 1)]}.{source_of(self.source)}"


class Joined(NamedTuple):
    """What became of an impression. row: of its user. offset: of the event that said so."""

    outcome: str
    row: int
    offset: int
    impression: Impression
