"""Which ids are nearly the same, and in what they differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history.books.near_misses import FORMS, NearMisses, differences, folded

ALIKE = [
    ("SKU-1", "sku-1", ["case"]),
    ("STRASSE", "straße", ["case"]),
    (" mug", "mug", ["space"]),
    ("red mug", "red  mug", ["space"]),
    ("red\u00a0mug", "redmug", ["space"]),
    ("caf\u00e9", "cafe\u0301", ["Unicode form"]),
    ("\uff14\uff12", "42", ["Unicode form"]),
    ("0042", "42", ["leading zeros"]),
    ("sku-007", "sku-7", ["leading zeros"]),
    ("42.0", "42", ["spelling of a number"]),
    ("4.2E1", "42", ["spelling of a number"]),
    ("+42", "42", ["spelling of a number"]),
    (" Mug", "mug", ["case", "space"]),
    (" 42.0", "42", ["space", "spelling of a number"]),
    ("0042.0", "42", ["spelling of a number"]),
]


@pytest.mark.parametrize(("left", "right", "kinds"), ALIKE)
def test_what_differs_is_named(left: str, right: str, kinds: list[str]) -> None:
    assert folded(left) == folded(right)
    assert differences(left, right) == differences(right, left) == kinds
    assert NearMisses([left]).of(right) == [left]


@pytest.mark.parametrize(
    ("left", "right"),
    [("42", "420"), ("1.05", "1.5"), ("1,05", "1,5"), ("mug", "mugs"), ("0", ""), ("42.5", "42"), ("-42", "42"),
     ("10", "1"), ("1e99999", "1")],
)  # fmt: skip
def test_what_no_person_would_confuse_is_told_apart(left: str, right: str) -> None:
    assert folded(left) != folded(right)


def test_an_id_is_no_near_miss_of_itself() -> None:
    assert NearMisses(["mug", "MUG"]).of("mug") == ["MUG"]


@given(st.text(max_size=12))
def test_every_spelling_of_an_id_is_found(text: str) -> None:
    for other in (text.upper().lower(), f" {text}\t", text.swapcase()):
        if folded(other) == folded(text) and other != text:
            assert NearMisses([text]).of(other) == [text]
            assert set(differences(text, other)) <= FORMS.keys()


@given(st.integers(0, 10**9), st.integers(0, 3), st.sampled_from(["", ".0", ".", ".00", "e0"]))
def test_a_number_is_the_same_in_each_spelling(number: int, zeros: int, tail: str) -> None:
    assert folded("0" * zeros + str(number) + tail) == folded(str(number))


@given(st.text(max_size=40))
def test_folding_takes_any_text_and_folds_it_once_for_all(text: str) -> None:
    assert isinstance(folded(text), str)
