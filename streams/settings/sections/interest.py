"""What makes an interest of events: the model, and how strongly each event counts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from streams.settings.action_rules import DEFAULT_ACTIONS, LARGEST_WEIGHT, ActionRule, by_spelled_word
from streams.settings.registries import MODELS
from streams.settings.section import Section

HalfLifeUnit = Literal["seconds", "events"]

DAY_S = 86_400.0


class InterestSettings(Section):
    """The interest model, and what it forgets when."""

    # `decay`, or the model of an installed package. Another one needs another generation.
    model: Annotated[str, AfterValidator(MODELS.require)] = "decay"
    # Short-term half-life: what the user is after now. In seconds, or in the user's own events.
    short_half_life: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    short_half_life_unit: HalfLifeUnit = "events"
    # Long-term half-life: the lasting taste.
    long_half_life: float = Field(default=30 * DAY_S, gt=0, allow_inf_nan=False)
    long_half_life_unit: HalfLifeUnit = "seconds"
    # Share of the short-term direction in the published vector; the rest is the long-term one.
    short_share: float = Field(default=0.5, ge=0.0, le=1.0)


class WeightSettings(Section):
    """How strongly each event moves an interest."""

    # Weights per action word, merged over the defaults. Spelling and case do not count, and synonyms have the rule of
    # their word (see action_synonyms) unless they have one here. An unknown word has `default_action_weight`: it moves
    # nothing by default, and the log, `audit` and interestflow_unknown_actions_total name it.
    actions: dict[str, ActionRule] = Field(default_factory=dict)
    default_action_weight: float = Field(
        default=0.0, ge=-LARGEST_WEIGHT, le=LARGEST_WEIGHT, allow_inf_nan=False
    )
    # Share of an event's text (a comment) beside its item's vector; a search is its text alone.
    text_share: float = Field(default=0.3, ge=0.0, le=10.0)

    @model_validator(mode="after")
    def _check_actions(self) -> Self:
        try:
            by_spelled_word(self.actions)
        except ValueError as error:
            raise ValueError(f"actions: {error}") from error
        return self

    @property
    def action_rules(self) -> dict[str, ActionRule]:
        """By action word, as `action_words.spell` writes it: the defaults, and `actions` over them."""
        return {**DEFAULT_ACTIONS, **by_spelled_word(self.actions)}
