"""Contents of several media in one space: what is missing, broken, repeated or in another order."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.core.base import EncoderError, counts
from encoders.fitted.fusion import FusionError, LateFusion, fit_projected
from encoders.media.content import PICTURE, TEXT, TRANSCRIPT, Content, ContentEncoder, good_picture, kinds
from encoders.media.fused import FusedEncoder
from encoders.media.locations import MediaLocations, each
from encoders.serving.cache import CachedEncoder
from encoders.text.hashing import HashingEncoder
from tests.encoders.media.media import OGG, HashedPictures, Spelled

TEXT_ENCODER = HashingEncoder(24)
WEIGHTS = {TEXT: 1.0, PICTURE: 2.0, TRANSCRIPT: 0.5}
WORDS = ["red mug", "a blue teapot", "", "  ", "hat"]
MEDIA = ["a.jpg", "b.png", "https://cdn.example.org/c", b"\x89PNG1", OGG + b"red mug", OGG + b"", "film.mp4"]


def late() -> FusedEncoder:
    return FusedEncoder(TEXT_ENCODER, partial(LateFusion, weights=WEIGHTS), HashedPictures(), Spelled())


def gated() -> FusedEncoder:
    """Fitted on contents some of which lack this, some that."""
    encoder = late()
    contents = [
        Content(
            f"word{n} thing{n % 7}" if n % 5 else "", ((f"{n}.jpg",) if n % 3 else (OGG + b"song %d" % n,))
        )
        for n in range(80)
    ]
    fusion = fit_projected(encoder.parts(contents)[0], WEIGHTS, 10, encoder.spaces)
    fusion.gate[:] = np.random.default_rng(0).standard_normal(fusion.gate.shape)
    return FusedEncoder(TEXT_ENCODER, fusion, HashedPictures(), Spelled())


ENCODERS = {"late": late(), "gated": gated()}
EITHER = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS.keys())
contents = st.builds(Content, st.sampled_from(WORDS), st.lists(st.sampled_from(MEDIA), max_size=4).map(tuple))


@EITHER
@given(batch=st.lists(contents, min_size=1, max_size=8), data=st.data())
@settings(max_examples=25)
def test_whatever_is_missing_a_row_is_unit_and_does_not_depend_on_its_batch(
    encoder: FusedEncoder, batch: list[Content], data: Any
) -> None:
    vectors = encoder.encode_contents(batch)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(batch)), abs=1e-5)
    order = data.draw(st.permutations(range(len(batch))))
    assert np.array_equal(encoder.encode_contents([batch[row] for row in order]), vectors[list(order)])


@EITHER
@given(content=contents, data=st.data())
@settings(max_examples=25)
def test_neither_the_order_of_media_nor_a_repeat_changes_a_bit(
    encoder: FusedEncoder, content: Content, data: Any
) -> None:
    media = data.draw(st.permutations(content.media + content.media))
    changed = Content(content.text, tuple(media))
    assert np.array_equal(encoder.encode_contents([changed]), encoder.encode_contents([content]))


@given(one=st.sampled_from(WORDS), other=st.text(max_size=20))
@settings(max_examples=25)
def test_texts_alone_lie_to_each_other_as_without_fusion(one: str, other: str) -> None:
    fused, plain = ENCODERS["late"].encode([one, other]), TEXT_ENCODER.encode([one, other])
    assert fused[0] @ fused[1] == pytest.approx(float(plain[0] @ plain[1]), abs=1e-5)


@EITHER
def test_a_search_is_a_content_of_text_alone(encoder: FusedEncoder) -> None:
    assert np.array_equal(encoder.encode(WORDS), encoder.encode_contents([Content(text) for text in WORDS]))


def test_the_product_of_two_contents_is_the_weighted_sum_of_their_medias_products() -> None:
    encoder = ENCODERS["late"]
    one, other = Content("red mug", ("a.jpg",)), Content("red hat", ("b.jpg",))
    texts, pictures = (
        TEXT_ENCODER.encode([one.text, other.text]),
        HashedPictures().encode_images(["a.jpg", "b.jpg"]),
    )
    fused = encoder.encode_contents([one, other])
    expected = (1.0 * texts[0] @ texts[1] + 2.0 * pictures[0] @ pictures[1]) / 3.0
    assert fused[0] @ fused[1] == pytest.approx(float(expected), abs=1e-6)


def test_a_missing_medium_draws_an_item_neither_to_the_others_nor_away_from_them() -> None:
    """Pictures of a real encoder all lie in one corner, so that those who have one would flock together."""
    rng = np.random.default_rng(1)

    def units(rows: int, width: int, corner: float) -> Any:
        x = rng.standard_normal((rows, width)) + corner
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)

    n = 3000
    parts = {TEXT: units(n, 16, 0.3), PICTURE: units(n, 24, 2.0)}
    parts[PICTURE][::2] = 0.0
    weights = {TEXT: 1.0, PICTURE: 1.0}
    biases = []
    for fusion in (LateFusion({TEXT: 16, PICTURE: 24}, weights), fit_projected(parts, weights, 40, {})):
        space = fusion.fuse(parts).astype(np.float64)
        with_all = space @ space.mean(axis=0)  # each one's mean nearness to all
        biases.append(abs(with_all[::2].mean() - with_all[1::2].mean()))
    assert biases[0] > 0.1
    assert biases[1] < 0.005


def test_a_blank_text_beside_a_picture_counts_as_none() -> None:
    encoder = ENCODERS["late"]
    alone = encoder.encode_contents([Content(" ", ("a.jpg",))])[0]
    assert alone[:24] == pytest.approx(np.zeros(24))
    assert np.array_equal(encoder.encode_contents([Content("  ")]), encoder.encode(["  "]))


def test_what_is_said_in_a_recording_is_near_what_is_written() -> None:
    heard, silent = ENCODERS["late"].parts([Content("", (OGG + b"red mug",)), Content("hat", (OGG,))])[0][
        TRANSCRIPT
    ]
    assert np.array_equal(heard, TEXT_ENCODER.encode(["red mug"])[0])
    assert not silent.any()


# --- what cannot be read ----------------------------------------------------------------------------------


@EITHER
def test_a_broken_medium_is_left_out_and_told_and_costs_its_neighbours_nothing(encoder: FusedEncoder) -> None:
    batch = [
        Content("hat", ("a.jpg", "broken.jpg")),
        Content("mug", ("b.jpg",)),
        Content("", ("broken.mp4",)),
    ]
    found = encoder.read_contents(batch)
    well = encoder.encode_contents([Content("hat", ("a.jpg",)), batch[1]])
    assert np.array_equal(found.vectors[:2], well)
    assert found.unreadable() == [2]
    assert [(failure.medium, failure.reason) for failure in found.failed[0]] == [
        (PICTURE, "FileNotFoundError")
    ]
    assert [failure.medium for failure in found.failed[2]] == [PICTURE, TRANSCRIPT]
    with pytest.raises(
        EncoderError, match=r"content 2 has nothing else: picture 'broken\.mp4': it is broken"
    ):
        encoder.encode_contents(batch)


def test_a_medium_is_named_as_a_person_finds_it_and_a_url_without_what_gives_access() -> None:
    class Never(HashedPictures):
        def encode_images(self, images: Any) -> Any:
            return list(each("picture", images, MediaLocations().read))

    encoder = FusedEncoder(TEXT_ENCODER, partial(LateFusion, weights=WEIGHTS), Never())
    media = ("a.jpg", "https://h/b.jpg?key=secret", f"data:;base64,{'A' * 999}!", b"")
    failures = encoder.read_contents([Content("hat", media)]).failed[0]
    assert {failure.name for failure in failures} == {
        "'a.jpg'", "'https://h/b.jpg'", f"'data:;base64,{'A' * 66}…'", "of 0 bytes",
    }  # fmt: skip
    assert not any("picture 0" in failure.message for failure in failures)


def test_an_encoder_that_is_down_is_no_broken_picture() -> None:
    pictures = HashedPictures()
    encoder = FusedEncoder(TEXT_ENCODER, partial(LateFusion, weights=WEIGHTS), pictures)
    pictures.down = True
    with pytest.raises(RuntimeError, match="out of memory"):
        encoder.read_contents([Content("hat", ("a.jpg",))])


def test_a_picture_that_many_items_show_is_looked_at_once() -> None:
    pictures = HashedPictures()
    encoder = FusedEncoder(TEXT_ENCODER, partial(LateFusion, weights=WEIGHTS), pictures)
    encoder.encode_contents([Content("hat", ("a.jpg",)), Content("mug", ("a.jpg", "b.jpg"))])
    assert pictures.asked == 2


# --- which space, and which medium ------------------------------------------------------------------------


def test_it_is_an_encoder_of_contents_and_a_text_encoder_is_none() -> None:
    assert isinstance(ENCODERS["late"], ContentEncoder)
    assert not isinstance(TEXT_ENCODER, ContentEncoder)


def test_another_part_or_fusion_is_another_revision() -> None:
    make = partial(FusedEncoder, TEXT_ENCODER)
    plain, heavy = (
        partial(LateFusion, weights=WEIGHTS),
        partial(LateFusion, weights={**WEIGHTS, PICTURE: 3.0}),
    )
    encoders = [
        make(plain, HashedPictures()),
        make(heavy, HashedPictures()),
        make(plain, HashedPictures(8)),
        make(plain, HashedPictures(), Spelled()),
        FusedEncoder(HashingEncoder(24, seed=1), plain, HashedPictures()),
        ENCODERS["gated"],
    ]
    assert len({f"{encoder.id}@{encoder.revision}" for encoder in encoders}) == len(encoders)


@pytest.mark.parametrize("pictures", [HashedPictures(8), None])
def test_a_fusion_of_other_encoders_is_refused(pictures: HashedPictures | None) -> None:
    fusion = ENCODERS["gated"].fusion
    with pytest.raises(FusionError, match="interestflow fit fusion"):
        FusedEncoder(TEXT_ENCODER, fusion, pictures, Spelled())


def test_the_text_encoders_cache_is_within_and_counted() -> None:
    encoder = FusedEncoder(
        CachedEncoder(TEXT_ENCODER, 10), partial(LateFusion, weights=WEIGHTS), HashedPictures()
    )
    encoder.encode_contents([Content("hat", ("a.jpg",))])
    encoder.encode(["hat"])
    assert counts(encoder)["cache"] == {"hit": 1, "miss": 1, "evicted": 0}


@pytest.mark.parametrize(
    ("medium", "expected"),
    [
        ("a.JPG", (PICTURE,)),
        ("https://cdn.example.org/42?w=3", (PICTURE,)),
        ("https://cdn.example.org/a.mp3?x=.jpg", (TRANSCRIPT,)),
        ("data:audio/wav;base64,AAAA", (TRANSCRIPT,)),
        ("data:video/mp4;base64,AAAA", (PICTURE, TRANSCRIPT)),
        ("data:image/png;base64,AAAA", (PICTURE,)),
        ("clip.webm", (PICTURE, TRANSCRIPT)),
        (b"RIFF\0\0\0\0WAVEfmt ", (TRANSCRIPT,)),
        (b"RIFF\0\0\0\0WEBPVP8 ", (PICTURE,)),
        (b"\0\0\0\x18ftypmp42", (PICTURE, TRANSCRIPT)),
        (b"\0\0\0\x18ftypavif", (PICTURE,)),
        (b"\xff\xd8\xff\xe0", (PICTURE,)),
        (good_picture(3), (PICTURE,)),
    ],
)
def test_a_medium_is_told_by_its_name_or_its_first_bytes(
    medium: str | bytes, expected: tuple[str, ...]
) -> None:
    assert kinds(medium) == expected


def test_the_known_good_picture_is_one() -> None:
    Image = pytest.importorskip("PIL.Image")
    from io import BytesIO

    with Image.open(BytesIO(good_picture(300))) as picture:
        assert (picture.size, picture.getpixel((3, 3))) == ((32, 32), (44, 44, 44))
