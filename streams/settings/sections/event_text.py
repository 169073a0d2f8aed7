"""What the texts of events say: their sentiment, and behaviour in words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streams.settings.section import CommaSeparated, Section

SENTIMENT_ACTIONS = ("comment", "review")


class SentimentSettings(Section):
    """What tells praise from complaint in an event's text, and how it moves the event's weight."""

    # What tells praise from complaint in an event's text: `none`, as it always was; `lexicon`, word lists for English
    # and Chinese (pip install 'interestflow[sentiment]'); or a transformers classifier, by name or path, which is
    # better and slower. Another choice is another generation.
    model: str = Field(default="none", min_length=1, alias="sentiment")
    # Commit of a named classifier: without it, a name may mean another model tomorrow.
    revision: str | None = Field(default=None, alias="sentiment_revision")
    # Value from -1 (complaint) to 1 (praise) of each label, where a classifier's labels do not say it themselves.
    labels: dict[str, float] | None = Field(default=None, alias="sentiment_labels")
    # Actions whose text is scored: those by which people judge an item. A search is no judgement.
    actions: CommaSeparated = Field(default=SENTIMENT_ACTIONS, alias="sentiment_actions")
    # An event's weight is multiplied by (1 - |s|) * neutral + s * gain, s the score: neutral is what a comment counts
    # that neither praises nor complains (interest was shown), 0 for nothing; gain is what clear praise counts, and a
    # clear complaint as much the other way.
    neutral: float = Field(default=0.25, ge=0.0, le=1.0, alias="sentiment_neutral")
    gain: float = Field(default=1.0, gt=0.0, le=10.0, alias="sentiment_gain")


class BehaviourTextSettings(Section):
    """Whether an event counts as the vector of what it says in words, and which words these are."""

    # True where the encoder is a model of behaviour: an event then counts as the vector of what it says in words
    # ("bought Red mug") in place of its item's, which costs encoding unless the cache has it. Another generation.
    enabled: bool = Field(default=False, alias="behaviour_as_text")
    # The language of these words: that of the items' titles.
    language: Literal["en", "zh"] = Field(default="en", alias="template_language")
    # Your own words by action, over those of the language; {title} of the item, {text} and {value} of the event.
    # What has no title, or lacks a value that its words name, counts as its item.
    templates: dict[str, str] = Field(default_factory=dict)
