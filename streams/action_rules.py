"""How strongly each action of a user moves an interest."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ValueScale = Literal["none", "linear", "log", "centred", "ratio"]

# Of an action, up or down. With the bound on values (see signals.LARGEST) no sum of events overflows float32.
LARGEST_WEIGHT = 1e6


class ActionRule(BaseModel):
    """How strongly one action moves an interest, and how the event's `value` scales it.

    The signal of an event is `weight * f(value)`, with f by `scale`: `none` 1; `linear` value (a quantity;
    sign kept); `log` log2(1 + |value|) (a quantity, with diminishing returns); `centred`
    (value - the user's own running mean) / `span` (a rating); `ratio` value clamped to [0, 1] (a share
    watched). Where the event has no value, f is 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(ge=-LARGEST_WEIGHT, le=LARGEST_WEIGHT, allow_inf_nan=False)
    scale: ValueScale = "none"
    # `centred` only: the rating scale's middle, the mean's starting point with a weight of one rating.
    middle: float = Field(default=3.0, allow_inf_nan=False)
    # `centred` only: half the width of the scale, so that the result lies about in [-1, 1].
    span: float = Field(default=2.0, gt=0, allow_inf_nan=False)


DEFAULT_ACTIONS: dict[str, ActionRule] = {
    "view": ActionRule(weight=1.0),
    "impression": ActionRule(weight=0.0),
    "click": ActionRule(weight=1.0),
    "play": ActionRule(weight=2.0, scale="ratio"),
    "search": ActionRule(weight=2.0),
    "follow": ActionRule(weight=2.0),
    "comment": ActionRule(weight=2.0),
    "review": ActionRule(weight=2.0),
    "like": ActionRule(weight=3.0),
    "share": ActionRule(weight=3.0),
    "cart": ActionRule(weight=3.0),
    "rate": ActionRule(weight=3.0, scale="centred"),
    "tag": ActionRule(weight=2.0),
    "purchase": ActionRule(weight=3.0, scale="log"),
    "return": ActionRule(weight=-3.0, scale="log"),
    "dislike": ActionRule(weight=-3.0),
    "hide": ActionRule(weight=-2.0),
}
