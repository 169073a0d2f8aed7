"""Behaviour as text: templates, and events that count as the vector of what they say."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from encoders.core.base import identity
from encoders.serving.cache import CachedEncoder
from encoders.text.hashing import HashingEncoder
from streams.catalog.items import Item, decode_embedding, encode_embedding, fingerprint
from streams.catalog.updater import CatalogUpdater
from streams.events.canonical import Event
from streams.events.rejections import Limits
from streams.flow.behaviour_text import CHINESE, ENGLISH, FIELDS, LANGUAGES, TemplateError, Templates
from streams.flow.flow import Flow, Updated
from streams.history.replay import replay
from streams.settings.configuration import load
from streams.settings.settings import Settings, SettingsError
from streams.wiring.app import build_flow
from tests.streams.catalog.test_updater import Message
from tests.streams.events.test_isolation import balanced, everything
from tests.streams.flows import DIM, T0, Record, item_vector, make_flow, record, vectors
from tests.streams.history.test_replay import states
from tests.streams.parts import BatchEvent, make_parts, run

ENCODER = HashingEncoder(DIM)
TITLES = ["Red mug", "", "Blue {teapot}", "红色的杯子"]


def event(action: str, **fields: Any) -> Event:
    return Event("e", "u", action, T0, **fields)


# --- templates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "given", "title", "said"),
    [
        (ENGLISH, event("purchase"), "Red mug", "bought Red mug"),
        (ENGLISH, event("rate", value=4.0), "Red mug", "rated Red mug 4 of 5"),
        (ENGLISH, event("rate", value=3.5), " Red mug ", "rated Red mug 3.5 of 5"),
        (ENGLISH, event("search", text="tea for two"), "", "searched for tea for two"),
        (CHINESE, event("play"), "红楼梦", "播放了红楼梦"),
        (ENGLISH, event("view"), "{value} {0.__class__}", "viewed {value} {0.__class__}"),
        # What something is missing for says nothing.
        (ENGLISH, event("rate"), "Red mug", None),
        (ENGLISH, event("purchase"), " ", None),
        (ENGLISH, event("search"), "Red mug", None),
        (ENGLISH, event("wave"), "Red mug", None),
    ],
)
def test_an_event_says_what_its_template_says(
    words: dict[str, str], given: Event, title: str, said: str | None
) -> None:
    assert Templates(words).fill(given, title) == said


def test_the_languages_speak_of_the_same_actions_with_the_same_fields() -> None:
    for words in LANGUAGES.values():
        assert words.keys() == ENGLISH.keys()
        for action, template in words.items():
            assert [f in template for f in FIELDS] == [f in ENGLISH[action] for f in FIELDS]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("bought {item}", "a field that no event has"),
        ("bought {title.__class__}", "a field that no event has"),
        ("bought {title!r}", "a field that no event has"),
        ("bought {title:>10}", "a field that no event has"),
        ("bought {}", "a field that no event has"),
        ("bought {title", "is wrong"),
        ("bought something", "the same of everything"),
        ("{value} of 5", "the same of everything"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_at_the_start(template: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        Templates({"purchase": template})
    with pytest.raises(SettingsError, match=f"INTERESTFLOW_TEMPLATES: .*{problem}"):
        make_flow(behaviour_as_text=True, templates={"purchase": template})


def test_a_template_of_an_unknown_action_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="no rule for purchsae"):
        make_flow(behaviour_as_text=True, templates={"purchsae": "bought {title}"})
    make_flow(behaviour_as_text=True, templates={"wave": "waved at {title}"}, actions={"wave": {"weight": 1}})


def test_templates_come_from_the_environment_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = {"purchase": "paid for {title}"}
    monkeypatch.setenv("INTERESTFLOW_TEMPLATES", '{"purchase": "paid for {title}"}')
    assert load().behaviour_text.templates == own
    monkeypatch.delenv("INTERESTFLOW_TEMPLATES")
    file = tmp_path / "settings.toml"
    file.write_text('[templates]\npurchase = "paid for {title}"\n')
    monkeypatch.setenv("INTERESTFLOW_CONFIG", str(file))
    assert load().behaviour_text.templates == own


@given(title=st.text(max_size=20), text=st.text(max_size=20), value=st.floats(allow_nan=False))
def test_whatever_is_filled_in_stays_as_it_is(title: str, text: str, value: float) -> None:
    said = Templates({"like": "<{title}|{text}>"}).fill(event("like", text=text, value=value), title)
    assert said == (f"<{title.strip()}|{text.strip()}>" if title.strip() and text.strip() else None)


# --- titles ----------------------------------------------------------------------------------------------


def test_titles_reach_the_catalog_by_the_embeddings_topic() -> None:
    flow = make_flow(0, behaviour_as_text=True)
    catalog_updater = CatalogUpdater(flow.catalog, ENCODER, Limits())
    item, space = Item("i", title="Red mug"), identity(ENCODER)
    value = encode_embedding(item, item_vector(0), space, "f")
    old = b'{"item_id":"o",' + encode_embedding(Item("o"), item_vector(1), space, "f").split(b",", 1)[1]
    catalog_updater.learn([Message(b"i", value), Message(b"o", old.replace(b',"title":""', b""))])
    assert [flow.catalog.title(flow.catalog.row_of[name]) for name in "io"] == ["Red mug", ""]
    assert decode_embedding(b"i", value).title == "Red mug"  # type: ignore[union-attr]
    # Told apart even where the text that is encoded stays the same.
    assert fingerprint(Item("i", "a. b"), space) != fingerprint(Item("i", "a", "b"), space)


def test_no_titles_are_kept_where_nobody_reads_them() -> None:
    flow = make_flow(0)
    row = flow.catalog.put("i", item_vector(0), title="Red mug")
    assert flow.catalog.title(row) == ""


# --- in the stream ---------------------------------------------------------------------------------------


def titled(**options: Any) -> Flow:
    """A flow that reads behaviour, its items i0, i1, … with these titles."""
    flow = make_flow(0, behaviour_as_text=True, **options)
    for index, title in enumerate(TITLES):
        flow.catalog.put(f"i{index}", item_vector(index), title=title)
    return flow


def fold(flow: Flow, records: Sequence[Record], encoder: Any = ENCODER) -> Updated:
    decoded = flow.decode(records)
    return flow.update(0, decoded, Flow.encode(encoder, decoded))


def vector(updated: Updated, user: str = "u") -> Any:
    return np.frombuffer(b64decode(vectors(updated)[user]["vector"]), "<f4")


def said(*texts: str, shares: Sequence[float] = (1.0,)) -> Any:
    """Unit vector of so much of each text."""
    mixed = np.array(shares, dtype=np.float32) @ ENCODER.encode(texts)
    return mixed / np.linalg.norm(mixed)


def test_an_event_counts_as_what_it_says() -> None:
    assert vector(fold(titled(), [record(0, action="purchase")])) == pytest.approx(
        said("bought Red mug"), abs=1e-6
    )


def test_without_title_template_or_setting_it_counts_as_its_item() -> None:
    untitled = fold(titled(), [record(0, item="i1", action="purchase")])
    no_words = fold(titled(default_action_weight=1.0), [record(0, item="i1", action="wave")])
    off = fold(make_flow(), [record(0, item="i1", action="purchase")])
    for updated in (untitled, no_words, off):
        assert vector(updated) == pytest.approx(item_vector(1), abs=1e-6)


def test_a_comment_adds_its_share_and_a_search_is_what_it_says() -> None:
    comment = fold(titled(text_share=0.5), [record(0, action="comment", text="nice handle")])
    assert vector(comment) == pytest.approx(
        said("commented on Red mug", "nice handle", shares=(1, 0.5)), abs=1e-6
    )
    search = fold(titled(), [record(0, item=None, action="search", text="tea")])
    assert vector(search) == pytest.approx(said("searched for tea"), abs=1e-6)


def test_own_words_and_another_language_by_setting() -> None:
    words = {"purchase": "paid for {title}"}
    assert vector(fold(titled(templates=words), [record(0, action="purchase")])) == pytest.approx(
        said("paid for Red mug"), abs=1e-6
    )
    assert vector(fold(titled(template_language="zh"), [record(0, action="like")])) == pytest.approx(
        said("喜欢Red mug"), abs=1e-6
    )


def test_what_moves_nothing_says_nothing() -> None:
    flow = titled(templates={"impression": "was shown {title}"})
    assert flow.decode([record(0, action="impression"), record(1, action="view")]).texts() == [
        "viewed Red mug"
    ]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["u0", "u1"]),
        st.sampled_from(["i0", "i1", "i2", "i3", "missing", None]),
        st.sampled_from(["view", "rate", "search", "comment", "impression"]),
        st.sampled_from([None, 4.0]),
        st.sampled_from([None, "nice handle"]),
    ),
    min_size=1,
    max_size=25,
)


@given(events=EVENTS, cuts=st.sets(st.integers(1, 24), max_size=4))
@hypothesis_settings(max_examples=40)
def test_a_replay_is_the_live_run(events: Any, cuts: set[int]) -> None:
    log = [
        record(offset, user, item, action=action, value=value, text=text)
        for offset, (user, item, action, value, text) in enumerate(events)
    ]
    live, again, cached = titled(), titled(), CachedEncoder(ENCODER)
    for begin, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]):
        fold(live, log[begin:end], cached)
    list(replay(again, ENCODER, log))
    assert states(again, "model") == states(live, "model")  # the hashing encoder knows no batch
    assert again.partitions[0].books == live.partitions[0].books


class Picky:
    """Takes no text that holds `poison`."""

    id, revision, dim = "hashing", "test", DIM

    def encode(self, texts: Sequence[str]) -> Any:
        if any("poison" in text for text in texts):
            raise ValueError("not this text")
        return ENCODER.encode(texts)


def test_an_event_whose_words_cannot_be_encoded_is_isolated_with_both_its_texts() -> None:
    texts = ["good", None, "nice", "poison", None, "fine"]
    items = ["i0", "ip", "ip", "i2", "i3", None]
    log = [
        record(n, f"u{n}", item, action="comment" if item else "search", text=text)
        for n, (item, text) in enumerate(zip(items, texts, strict=True))
    ]
    flow, plain = titled(), titled()
    for one in (flow, plain):
        one.catalog.put("ip", item_vector(9), title="poison")
    updated = fold(flow, log, Picky())
    assert [kept.offset for kept, _ in updated.isolated] == [1, 2, 3]
    fold(plain, [Record(b"{", r.offset) if r.offset in (1, 2, 3) else r for r in log])
    assert everything(flow)[0] == everything(plain)[0]
    assert balanced(flow)


def test_what_is_told_stays_with_its_event_around_one_that_cannot_be_folded() -> None:
    log = [
        record(n, f"u{n}", f"i{n % 4}", action=action, text="t" if n % 2 else None)
        for n, action in enumerate(["view", "like", "hide", "share", "view", "comment"])
    ]
    flow, plain = titled(), titled()
    weigh = flow.event_weights.weigh

    def raising(events: Any, *arguments: Any) -> Any:
        if any(one.action == "hide" for one in events):
            raise ValueError("of this I cannot eat")
        return weigh(events, *arguments)

    flow.event_weights.weigh = raising  # type: ignore[method-assign]
    assert len(fold(flow, log).isolated) == 1
    fold(plain, [Record(b"{", r.offset) if r.offset == 2 else r for r in log])
    assert everything(flow)[0] == everything(plain)[0]


def test_an_event_that_had_waited_says_it_too() -> None:
    flow = titled()
    fold(flow, [record(0, item="new", action="like")])
    flow.catalog.put("new", item_vector(50), title="Old clock")
    (released,) = flow.ready_events().values()
    updated = flow.update(0, released, Flow.encode(ENCODER, released))
    assert vector(updated) == pytest.approx(said("liked Old clock"), abs=1e-6)


async def test_an_item_that_is_learnt_while_its_batch_is_encoded_is_told_of_all_the_same() -> None:
    """A replay, which knows the item from the start, must find the same."""
    flow = titled()

    class Learning(Picky):
        def encode(self, texts: Sequence[str]) -> Any:
            if "new" not in flow.catalog:
                flow.catalog.put("new", item_vector(50), title="Old clock")
            return super().encode(texts)

    settings, ended = Settings(dimensions=DIM, encoder="hashing"), list[BaseException]()
    parts = make_parts(settings, flow, Learning(), ended.append)
    records = [record(0, "a", action="view"), record(1, "b", item="new", action="like")]
    batch = await run(parts, parts.update, BatchEvent(records))
    parts.runner.close()
    assert batch.acked
    assert not ended
    again = titled()
    again.catalog.put("new", item_vector(50), title="Old clock")
    list(replay(again, ENCODER, batch.value.records))
    assert states(again, "model") == states(flow, "model")


def test_states_of_other_words_never_mix() -> None:
    def layout(**options: Any) -> str:
        return build_flow(Settings(dimensions=DIM, encoder="hashing", **options), "space").layout.id

    own = {"view": "saw {title}"}
    ids = [
        layout(),
        layout(behaviour_as_text=True),
        layout(behaviour_as_text=True, template_language="zh"),
        layout(behaviour_as_text=True, templates=own),
    ]
    assert len(set(ids)) == 4
    assert layout(templates=own) == ids[0]
