"""All settings, in sections. `configuration` reads them from options, environment and file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict

from streams.settings.errors import UserError
from streams.settings.section import Section
from streams.settings.sections.encoder import EncoderSettings
from streams.settings.sections.event_text import BehaviourTextSettings, SentimentSettings
from streams.settings.sections.interest import InterestSettings, WeightSettings
from streams.settings.sections.kafka import KafkaSettings
from streams.settings.sections.limits import LimitSettings
from streams.settings.sections.media import MediaSettings
from streams.settings.sections.output import OutputSettings
from streams.settings.sections.ranking import RankingSettings
from streams.settings.sections.recommendations import FeedbackSettings, RecommendationSettings
from streams.settings.sections.state import MemorySettings, UserStateSettings
from streams.settings.sections.topics import TopicSettings
from streams.settings.sections.worker import ObservationSettings, WorkerSettings


class SettingsError(UserError):
    """One message that names every wrong setting and what to do about it."""


class Settings(BaseModel):
    """All settings. They are given by flat names, and read in sections: `Settings(topic_items="i").topics.items`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kafka: KafkaSettings
    topics: TopicSettings
    limits: LimitSettings
    encoder: EncoderSettings
    media: MediaSettings
    sentiment: SentimentSettings
    behaviour_text: BehaviourTextSettings
    interest: InterestSettings
    weights: WeightSettings
    user_state: UserStateSettings
    memory: MemorySettings
    recommendations: RecommendationSettings
    ranking: RankingSettings
    feedback: FeedbackSettings
    output: OutputSettings
    worker: WorkerSettings
    observation: ObservationSettings

    def __init__(self, **flat: Any) -> None:
        """flat: values by flat name; the others have their defaults. Raises ValidationError that names all wrong ones.

        Neither the environment nor a file is read.
        """
        super().__init__(**_in_sections(flat))

    def flat(self) -> dict[str, Any]:
        """Every value by its flat name."""
        return {flat: getattr(getattr(self, section), name) for flat, (section, name) in PLACES.items()}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """These settings with other values, which are not validated, as in pydantic. update: by flat name."""
        changed: dict[str, dict[str, Any]] = {}
        for flat, value in (update or {}).items():
            section, name = PLACES[flat]
            changed.setdefault(section, {})[name] = value
        sections = {
            section: getattr(self, section).model_copy(update=own) for section, own in changed.items()
        }
        return super().model_copy(update=sections, deep=deep)


SECTIONS = {name: cast(type[Section], field.annotation) for name, field in Settings.model_fields.items()}
# Flat name of every setting -> its section, and its name there.
PLACES: dict[str, tuple[str, str]] = {
    flat: (section, name)
    for section, fields in SECTIONS.items()
    for flat, name in fields.flat_names().items()
}


def _in_sections(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The values of each section by flat name. An unknown name stays where it is refused."""
    found: dict[str, Any] = {section: {} for section in SECTIONS}
    for name, value in flat.items():
        section = PLACES[name][0] if name in PLACES else name
        if section in found:
            # A section's own name may come here as well, and its section refuses it.
            found[section][name] = value
        else:
            found[name] = value
    return found
