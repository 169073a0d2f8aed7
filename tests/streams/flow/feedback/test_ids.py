"""Ids of recommended items say all that feedback needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.flow.feedback.ids import (
    ARMS,
    NO_PLACE,
    SOURCES,
    UNKNOWN,
    ShownItem,
    checksum,
    item_id,
    read_id,
    source_of,
)
from streams.recommend.learned.sources import FEATURES

USERS = st.text(min_size=1, max_size=20)


@given(
    place=st.integers(0, 999),
    arm=st.integers(0, len(ARMS) - 1),
    source=st.sampled_from(SOURCES),
    offset=st.integers(0, 2**62),
    user=USERS,
)
def test_what_is_written_is_read(place: int, arm: int, source: str, offset: int, user: str) -> None:
    """Users may hold what parts an id."""
    text = item_id(place, arm, source, f"1-5-{offset}-30-{user}")
    assert read_id(text, user) == ShownItem(place, arm, source, offset)
    assert read_id(text, user + "x") is None
    assert len(text) <= len(user) + 96


@given(user=USERS)
def test_the_id_of_a_list_is_read_too(user: str) -> None:
    assert read_id(f"1-5-77-30-{user}", user) == ShownItem(NO_PLACE, UNKNOWN, "other", 77)


@pytest.mark.parametrize(
    "text", ["", "x", "1-2-3-4", "3.explore.own.1-2-3-u", "3.explore.own.1-2-x-4-u", f"1-2-{2**63}-4-u"]
)
def test_other_texts_are_no_ids(text: str) -> None:
    assert read_id(text, "u") is None


@given(text=st.text(max_size=60))
def test_no_text_is_an_error(text: str) -> None:
    read_id(text, "u")


def test_only_known_sources_are_counted() -> None:
    assert item_id(0, 0, "my.own", "l").split(".")[2] == "other"
    found = read_id("0.exploit.invented.1-2-3-4-u", "u")
    assert found is not None
    assert found.source == "other"
    assert all(source_of(checksum(source)) == source for source in SOURCES)
    assert source_of(1) == "other"


def test_every_source_of_ours_is_known() -> None:
    assert {feature.group for feature in FEATURES} <= set(SOURCES)
