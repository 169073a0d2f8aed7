"""Which settings decide how users' states are built: a worker with others refuses them, and names what differs."""

from __future__ import annotations

from streams.interest.base import InterestModel
from streams.settings.registries import encoder_name
from streams.settings.section import ENV_PREFIX
from streams.settings.settings import PLACES, Settings
from streams.state.built_with import BuiltWith

REMOTE = "remote"
# By flat name, beside all of the interest's. No secret may be among them, for they are written to the changelog.
DECIDING = (
    *(
        "encoder",
        "encoder_revision",
        "encoder_max_tokens",
        "encoder_pooling",
        "encoder_prompt",
        "encoder_prompt_name",
    ),
    *(
        "encoder_truncate_dim",
        "encoder_remote_model",
        "encoder_remote_dimensions",
        "dimensions",
        "projection",
        "topics",
    ),
    *(
        "image_encoder",
        "image_encoder_revision",
        "speech_encoder",
        "speech_encoder_revision",
        "speech_language",
    ),
    *("fusion", "fusion_text_weight", "fusion_picture_weight", "fusion_transcript_weight"),
    *("sentiment", "sentiment_revision", "behaviour_as_text", "template_language"),
    *("history_length", "dedupe_window", "feedback", "feedback_remembered"),
    *(flat for flat, (section, _) in PLACES.items() if section == "interest"),
)


def built_with(settings: Settings, model: InterestModel, space: str) -> BuiltWith:
    """What decides the states of users. space: identity of the vector space."""
    given, defaults = settings.flat(), Settings().flat()
    if encoder_name(given["encoder"]) == REMOTE:
        # The server's place does not count, and may hold a password.
        given["encoder"] = REMOTE
    return BuiltWith(
        settings={variable(name): str(given[name]) for name in DECIDING},
        defaults={variable(name): str(defaults[name]) for name in DECIDING},
        versions={"the encoder": space, "the model": f"{model.name} {model.version}"},
    )


def variable(flat: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + flat.upper()
