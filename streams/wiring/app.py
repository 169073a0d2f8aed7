"""Settings into the flow and the Faust app; the worker around them is built in worker.py."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import faust

from encoders.core.base import Encoder, identity
from streams.events.rejections import Limits
from streams.flow.behaviour_text import LANGUAGES, TemplateError, Templates
from streams.flow.encoding import Scoring
from streams.flow.flow import Flow, FlowOptions
from streams.flow.learning.shown import Shown
from streams.flow.outputs import Writer
from streams.flow.signals import EventWeights, SentimentWeight
from streams.interest import MODELS, InterestModel
from streams.kafka import security
from streams.kafka.member import transport
from streams.kernels import compiling
from streams.recommend import RECOMMENDERS, Catalog
from streams.recommend.attributes import Admission
from streams.recommend.rows.arena import Arena, BusyError
from streams.recommend.rows.base import Rows
from streams.recommend.rows.shared import SharedRows
from streams.settings.action_words import ActionSet, known_word, spell
from streams.settings.sections.limits import LimitSettings
from streams.settings.settings import Settings, SettingsError
from streams.state.users.layout import UserLayout
from streams.wiring.built_with import built_with

log = logging.getLogger(__name__)

# For which shared vectors are mapped at first; they are doubled whenever they are full.
FIRST_ROWS = 1024
# Batches of a partition that may be on their way beside those whose deliveries are awaited: fetch ahead.
AHEAD = 4


def build_flow(settings: Settings, space: str, rows: Rows | None = None) -> Flow:
    """The pure flow. space: identity of the vector space (see `state_space`). rows: of the catalog (see `Catalog`)."""
    compiling.choose(settings.worker.compiled)
    model: InterestModel = MODELS.build(settings.interest.model, settings)
    options = build_options(settings)
    if options.templates is not None:
        space = f"{space} {options.templates.version}"
    return Flow(
        model,
        _layout(settings, model, space),
        build_catalog(settings, options.needs_titles, rows),
        RECOMMENDERS.build(settings.recommendations.recommender, settings),
        EventWeights(
            settings.weights.action_rules,
            settings.weights.default_action_weight,
            SentimentWeight(settings.sentiment.neutral, settings.sentiment.gain),
        ),
        Writer(settings.interest.model, settings.topics.generation, settings.output.vector_format),
        options,
    )


def _layout(settings: Settings, model: InterestModel, space: str) -> UserLayout:
    state, shown = settings.user_state, settings.feedback.shown
    return UserLayout(
        *(model, state.history_length, space, state.consumed_per_user, state.dedupe_window, shown),
        built_with=built_with(settings, model, space),
    )


def build_rows(settings: Settings, shared: tuple[int, ...]) -> Rows | None:
    """Where the catalog's vectors stand once for all processes of this command; None for memory of this process.

    shared: inherited descriptors of the files for it, see `recommend.rows.arena`; none where it is the only one.
    """
    if not shared:
        return None
    for descriptor in shared:
        os.set_inheritable(descriptor, False)
    try:
        control, vectors = shared
        return SharedRows(Arena(control, vectors, settings.encoder.dimensions), FIRST_ROWS)
    except (BusyError, ValueError, OSError) as error:
        log.warning("this process keeps the vectors of the catalog for itself: %s", error)
        return None


def build_catalog(settings: Settings, titles: bool, rows: Rows | None = None) -> Catalog:
    """An empty one, which admits what the settings say. titles, rows: see Catalog."""
    wanted = settings.recommendations
    admission, attributes = Admission.of(wanted.allowed, wanted.blocked), settings.ranking.attributes()
    return Catalog(
        settings.encoder.dimensions, titles=titles, attributes=attributes, admission=admission, rows=rows
    )


def state_space(encoder: Encoder, scoring: Scoring | None) -> str:
    """Identity of all models that decide a state: states of two never mix."""
    space = identity(encoder)
    return space if scoring is None else f"{space} {identity(scoring.sentiment)}"


def build_options(settings: Settings) -> FlowOptions:
    """The settings that the flow reads."""
    return FlowOptions(
        topics=settings.topics,
        weights=settings.weights,
        user_state=settings.user_state,
        recommendations=settings.recommendations,
        limits=build_limits(settings.limits),
        consuming_actions=ActionSet(
            settings.recommendations.consuming_actions, settings.weights.action_rules
        ),
        templates=build_templates(settings),
        vector_per_event=settings.output.vectors_per == "event",
        lists=settings.ranking.lists,
        shown=build_shown(settings),
        feedback=settings.feedback,
    )


def build_shown(settings: Settings) -> Shown | None:
    """The memory of what users were shown, or None where it changes nothing."""
    ranking = settings.ranking
    if not ranking.shown_penalty or settings.recommendations.recommender != "hybrid":
        return None
    return Shown(ranking.shown_users, ranking.shown_items, ranking.shown_half_life_s)


def build_templates(settings: Settings) -> Templates | None:
    """What events say in words, or None where items are read. Raises SettingsError."""
    if not settings.behaviour_text.enabled:
        return None
    words = LANGUAGES[settings.behaviour_text.language]
    own = {spell(action): template for action, template in settings.behaviour_text.templates.items()}
    known = settings.weights.action_rules.keys() | words.keys()
    if unknown := sorted(action for action in own if known_word(action, known) is None):
        raise SettingsError(
            f"INTERESTFLOW_TEMPLATES: no rule for {', '.join(unknown)}: add it to INTERESTFLOW_ACTIONS, or name one of "
            f"{', '.join(sorted(known))}"
        )
    try:
        return Templates({**words, **own})
    except TemplateError as error:
        raise SettingsError(f"INTERESTFLOW_TEMPLATES: {error}") from error


def build_limits(limits: LimitSettings) -> Limits:
    """Bounds on what is read."""
    return Limits(
        max_bytes=limits.max_bytes,
        max_depth=limits.max_depth,
        max_id_length=limits.max_id_length,
        max_text_length=limits.max_text_length,
        max_events=limits.max_events,
    )


class StreamApp(faust.App):  # type: ignore[misc]  # Faust ships no types
    """A Faust app whose worker tells the transport where to start and when all is done."""

    temporary_folder: tempfile.TemporaryDirectory[str]
    outstanding_batches: int
    state_seeks: Any
    state_let_go: Any
    state_moved: Any
    state_topic_ids: Any


# What Faust is told whatever the settings say.
FAUST_OPTIONS: dict[str, Any] = {
    "consumer_auto_offset_reset": "earliest",
    # A worker that joined while it could not ask for a topic's partitions asks again so soon.
    "consumer_metadata_max_age_ms": 10_000,
    "consumer_max_fetch_size": 4 * 1024 * 1024,
    # /table would serve states to anyone who asks.
    "web_enabled": False,
    # The transport waits for what has begun; a batch that had not is never acknowledged, it is read again.
    "stream_wait_empty": False,
    # Topics are made by `interestflow topics create`, with the right clean-up policy.
    "topic_allow_declare": False,
    # Nothing here is done by one worker alone, so none needs to be elected by a topic of its own.
    "topic_disable_leader": True,
    "Topic": transport.BatchTopic,
}


def build_faust_app(settings: Settings) -> StreamApp:
    """The Faust app without its agents."""
    transport.register()
    # Faust wants a data folder even where it has no tables; it goes with the worker.
    temporary_folder = tempfile.TemporaryDirectory(prefix="interestflow-", ignore_cleanup_errors=True)
    servers = ";".join(
        f"{transport.SCHEME}://{server}" for server in settings.kafka.bootstrap_servers.split(",")
    )
    app = StreamApp(
        settings.topics.group,
        broker=servers,
        broker_credentials=security.faust_broker_credentials(settings.kafka),
        broker_max_poll_records=settings.worker.batch_events,
        broker_session_timeout=settings.worker.session_timeout_s,
        broker_heartbeat_interval=settings.worker.session_timeout_s / 10,
        broker_commit_interval=settings.worker.commit_interval_s,
        broker_request_timeout=max(90.0, settings.worker.session_timeout_s),
        consumer_group_instance_id=settings.worker.group_instance_id,
        datadir=Path(temporary_folder.name),
        **FAUST_OPTIONS,
    )
    app.temporary_folder = temporary_folder
    app.outstanding_batches = settings.worker.batches_in_flight + AHEAD
    return app
