"""The catalog's two ways: items to encode, and embeddings to learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pytest

from encoders.core.base import identity
from encoders.fitted.fusion import LateFusion
from encoders.media.content import Content
from encoders.media.fused import FusedEncoder
from encoders.text.hashing import HashingEncoder
from streams.catalog.items import Item, Removed, decode_embedding, decode_item, encode_embedding
from streams.catalog.updater import CatalogUpdater, Changes
from streams.events.isolation import EverythingFailsError
from streams.events.rejections import Limits, Reason, Rejected
from streams.recommend import Catalog
from streams.recommend.attributes import Admission
from tests.encoders.media.media import HashedPictures
from tests.streams.flows import DIM, Record, item_vector

ENCODER = HashingEncoder(DIM)
SPACE = identity(ENCODER)


@dataclass(frozen=True)
class Message:
    """What is read of a confluent-kafka message here."""

    k: bytes | None
    v: bytes | None

    def key(self) -> bytes | None:
        return self.k

    def value(self) -> bytes | None:
        return self.v


@pytest.fixture
def catalog_updater() -> CatalogUpdater:
    return CatalogUpdater(Catalog(DIM), ENCODER, Limits())


def item(item_id: str, **fields: Any) -> Record:
    return Record(orjson.dumps({"item_id": item_id, **fields}), 0, key=item_id.encode())


def removal(item_id: str) -> Record:
    return Record(None, 0, key=item_id.encode())


def publish(catalog_updater: CatalogUpdater, *records: Record) -> Changes:
    """Through the encoder into the topic, and back from there into the catalog."""
    changes = catalog_updater.changes(records)
    written = catalog_updater.records(changes, ENCODER.encode(changes.texts()))
    catalog_updater.learn([Message(key, value) for key, value in written])
    return changes


def embedding(item_id: str, vector: Any, space: str = SPACE) -> Message:
    return Message(item_id.encode(), encode_embedding(Item(item_id), vector, space, "f"))


# --- items --------------------------------------------------------------------------------------------------------


def test_an_item_becomes_its_texts_vector(catalog_updater: CatalogUpdater) -> None:
    publish(
        catalog_updater, item("i", title=" Red mug ", categories=["kitchen", "gifts"], description="For tea")
    )
    (expected,) = ENCODER.encode(["Red mug. kitchen, gifts. For tea"])
    assert np.array_equal(catalog_updater.catalog.vectors[catalog_updater.catalog.row_of["i"]], expected)


def test_an_item_that_did_not_change_is_not_encoded_again(catalog_updater: CatalogUpdater) -> None:
    publish(catalog_updater, item("i", title="Red mug"))
    changes = publish(catalog_updater, item("i", title="Red mug"))
    assert (changes.items, changes.unchanged) == ([], 1)


@pytest.mark.parametrize("change", [{"title": "Blue mug"}, {"categories": ["kitchen"]}, {"hidden": True}])
def test_any_change_that_shows_is_encoded(catalog_updater: CatalogUpdater, change: dict[str, Any]) -> None:
    publish(catalog_updater, item("i", title="Red mug"))
    changes = publish(catalog_updater, item("i", **{"title": "Red mug", **change}))
    assert [changed.item_id for changed, _ in changes.items] == ["i"]


def test_a_hidden_item_is_known_but_not_shown(catalog_updater: CatalogUpdater) -> None:
    publish(catalog_updater, item("i", title="Red mug", hidden=True))
    assert "i" in catalog_updater.catalog
    assert not catalog_updater.catalog.live[catalog_updater.catalog.row_of["i"]]


def shown(catalog_updater: CatalogUpdater, item_id: str = "i") -> bool:
    catalog = catalog_updater.catalog
    return bool(catalog.live[catalog.row_of[item_id]])


@pytest.mark.parametrize("kept_out", [{"blocked": True}, {"in_stock": False}, {"in_stock": 0}])
def test_an_item_is_kept_out_until_its_record_says_otherwise(
    catalog_updater: CatalogUpdater, kept_out: dict[str, Any]
) -> None:
    publish(catalog_updater, item("i", title="Red mug"))
    publish(catalog_updater, item("i", title="Red mug", **kept_out))
    assert not shown(catalog_updater)
    assert "i" in catalog_updater.catalog
    for back in ({}, {"in_stock": 37, "blocked": False}):
        publish(catalog_updater, item("i", title="Red mug", **back))
        assert shown(catalog_updater)
        publish(catalog_updater, item("i", title="Red mug", **kept_out))


def test_an_allow_list_lets_in_what_its_attributes_say() -> None:
    admission = Admission.of(["market=de", "market=at", "age=12"], ["categories=Weapons"])
    catalog_updater = CatalogUpdater(Catalog(DIM, admission=admission), ENCODER, Limits())
    for attributes, categories, expected in (
        ({"market": ["fr", "at"], "age": 12}, ["Toys"], True),
        ({"market": "de", "age": "12"}, [], True),
        ({"market": ["fr"], "age": 12}, ["Toys"], False),
        ({"market": "de"}, ["Toys"], False),
        ({"market": "de", "age": [6, 12]}, ["Toys", "Weapons"], False),
        ({}, [], False),
    ):
        publish(catalog_updater, item("i", attributes=attributes, categories=categories))
        assert shown(catalog_updater) == expected, (attributes, categories)


def test_attributes_come_with_the_embedding() -> None:
    catalog_updater = CatalogUpdater(Catalog(DIM, attributes=["author"]), ENCODER, Limits())
    publish(catalog_updater, item("a", attributes={"author": "Jane", "other": ["x"]}), item("b", title="b"))
    publish(catalog_updater, item("c", attributes={"author": ["Joe", "Jane", {"no": 1}]}))
    attributes, row_of = catalog_updater.catalog.attributes, catalog_updater.catalog.row_of
    jane, joe = attributes.code("author", "Jane"), attributes.code("author", "Joe")
    assert [attributes.of("author", row_of[one]) for one in "abc"] == [(jane,), (), (joe, jane)]
    assert catalog_updater.forgiven.counts["attributes", "not_read"] == 1
    publish(catalog_updater, item("a", attributes={"other": "x"}))
    assert attributes.of("author", row_of["a"]) == ()


@pytest.mark.parametrize("given", [[{"name": "size", "value": 3}], "red", 7])
def test_attributes_of_another_form_are_passed_over(given: Any) -> None:
    catalog_updater = CatalogUpdater(Catalog(DIM), ENCODER, Limits())
    publish(catalog_updater, item("i", title="Red mug", attributes=given))
    assert shown(catalog_updater)
    assert catalog_updater.forgiven.counts["attributes", "not_read"] == 1


def test_attributes_that_cannot_be_read_are_told_once_by_name(caplog: pytest.LogCaptureFixture) -> None:
    catalog_updater = CatalogUpdater(Catalog(DIM), ENCODER, Limits())
    publish(catalog_updater, item("a", attributes={"size": {"cm": 3}, "brand": "Acme"}))
    publish(
        catalog_updater, item("b", attributes={"size": [{"cm": 3}], "hue": {}}), item("c", attributes="red")
    )
    told = [line.getMessage() for line in caplog.records]
    assert ["'size' of item 'a'" in told[0], "'hue' of item 'b'" in told[1], "of item 'c'" in told[2]] == [
        *[True] * 3
    ]
    assert len(told) == 3
    assert all("send " in one for one in told)
    assert catalog_updater.forgiven.counts["attributes", "not_read"] == 4


def test_what_producers_call_attributes_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    catalog_updater = CatalogUpdater(Catalog(DIM), ENCODER, Limits())
    publish(catalog_updater, item("a", attributes={f"name {n}": {} for n in range(50)}))
    assert len(caplog.records) == 20


def test_an_item_says_no_more_of_its_attributes_than_its_record_takes() -> None:
    many = Item("i", categories=["a" * 257, *map(str, range(100))], attributes={"x": "y"})
    assert many.labels() == {"x": ["y"], "categories": [str(n) for n in range(63)]}


def test_a_record_of_an_item_without_attributes_is_as_it_was() -> None:
    record = orjson.loads(encode_embedding(Item("i", "Red mug"), item_vector(0), SPACE, "f"))
    assert list(record) == ["item_id", "vector", "dim", "encoder", "hidden", "fingerprint", "title"]
    found = decode_embedding(b"i", encode_embedding(Item("i", in_stock=False), item_vector(0), SPACE, "f"))
    assert not isinstance(found, Removed)
    assert found.withheld


def test_a_removed_item_leaves_and_may_come_back(catalog_updater: CatalogUpdater) -> None:
    publish(catalog_updater, item("i", title="Red mug"))
    changes = publish(catalog_updater, removal("i"))
    assert changes.removed == ["i"]
    assert "i" not in catalog_updater.catalog
    publish(catalog_updater, item("i", title="Red mug"))
    assert "i" in catalog_updater.catalog


def test_a_change_and_back_before_it_was_learnt_is_written() -> None:
    """Else the catalog would stay with the change, or without the item."""
    for between in (item("i", title="Blue mug"), removal("i")):
        catalog_updater = CatalogUpdater(Catalog(DIM), ENCODER, Limits())
        publish(catalog_updater, item("i", title="Red mug"))
        catalog_updater.changes([between])
        changes = catalog_updater.changes([item("i", title="Red mug")])
        assert [changed.title for changed, _ in changes.items] == ["Red mug"]


def test_of_one_batch_the_newest_record_of_an_item_counts(catalog_updater: CatalogUpdater) -> None:
    changes = publish(
        catalog_updater, item("a", title="1"), item("b", title="1"), removal("a"), item("b", title="2"), removal("c"),
        item("c", title="3"),
    )  # fmt: skip
    assert changes.removed == ["a"]
    assert [(changed.item_id, changed.title) for changed, _ in changes.items] == [("b", "2"), ("c", "3")]


def test_every_record_of_a_batch_is_counted_once(catalog_updater: CatalogUpdater) -> None:
    publish(catalog_updater, item("same"), item("old"))
    changes = catalog_updater.changes(
        [
            item("same"),
            item("a", title="1"),
            item("a", title="2"),
            removal("old"),
            removal("nobody"),
            Record(b"{", 0),
        ]
    )
    assert changes.outcomes() == {
        "encoded": 1, "unchanged": 1, "replaced": 1, "removed": 1, "removed_unknown": 1, "refused": 1,
    }  # fmt: skip


def test_a_removal_of_an_unknown_item_is_told_once_and_says_so_in_its_record(
    catalog_updater: CatalogUpdater, caplog: pytest.LogCaptureFixture
) -> None:
    publish(catalog_updater, item("old"))
    # Brought and removed by one batch: known. Removed a second time, as what is read again: known, too.
    changes = catalog_updater.changes(
        [item("brief"), removal("brief"), removal("old"), removal("nobody"), item("new")]
    )
    assert changes.unknown == {"nobody"}
    again = catalog_updater.changes([removal("old"), removal("nobody")])
    assert again.unknown == {"nobody"}
    told = [line.getMessage() for line in caplog.records]
    assert ["'nobody', which is not in the catalog" in line for line in told] == [True]
    records, headers = catalog_updater.records(changes, ENCODER.encode(changes.texts())), changes.headers()
    assert headers is not None
    assert {key: own for (key, _), own in zip(records, headers, strict=True)} == {
        b"brief": [], b"old": [], b"nobody": [("interestflow.unknown", b"")], b"new": [],
    }  # fmt: skip
    assert catalog_updater.changes([item("other")]).headers() is None


def test_removals_of_many_unknown_items_are_one_line_of_the_log_and_counted(
    catalog_updater: CatalogUpdater, caplog: pytest.LogCaptureFixture
) -> None:
    changes = catalog_updater.changes([removal(f"n{n}") for n in range(500)])
    catalog_updater.changes([removal("another")])
    assert len(caplog.records) == 1
    assert changes.outcomes()["removed_unknown"] == 500


WRONG: list[tuple[Record, Reason]] = [
    (Record(None, 0), Reason.EMPTY_ID),
    (Record(b"", 0, key=b"i"), Reason.EMPTY_VALUE),
    (Record(b"{", 0, key=b"i"), Reason.NOT_JSON),
    (Record(b'{"item_id":"\xff"}', 0), Reason.NOT_UTF8),
    (Record(b"[]", 0, key=b"i"), Reason.NOT_AN_OBJECT),
    (Record(b"{}", 0, key=b"i"), Reason.EMPTY_ID),
    (item("", title="x"), Reason.EMPTY_ID),
    (item("i" * 257), Reason.ID_TOO_LONG),
    (item("a\nb"), Reason.ID_CONTROL_CHARACTERS),
    (item("i", title=["red"]), Reason.WRONG_TYPE),
    (item("i", categories=[["kitchen"]]), Reason.WRONG_TYPE),
    (Record(b'{"item_id":"i","x":%s}' % (b"[" * 90_000), 0), Reason.TOO_DEEP),
    (item("i", title="x" * 1_048_577), Reason.TOO_LARGE),
    (Record(orjson.dumps({"item_id": "i"}), 0, key=b"j"), Reason.WRONG_TYPE),
]


@pytest.mark.parametrize(("record", "expected"), WRONG)
def test_what_is_no_item_is_rejected_with_the_reason(record: Record, expected: Reason) -> None:
    found = decode_item(record, Limits())
    assert isinstance(found, Rejected)
    assert (found.reason, found.stage) == (expected, "catalog.decode")


def test_one_bad_record_does_not_hold_up_the_others(catalog_updater: CatalogUpdater) -> None:
    bad = Record(b"{", 0)
    changes = publish(catalog_updater, item("a"), bad, item("b"))
    assert [record for record, _ in changes.rejected] == [bad]
    assert {"a", "b"} == set(catalog_updater.catalog.row_of)


def test_a_record_without_key_is_an_item_too() -> None:
    assert decode_item(Record(b'{"item_id":"i"}', 0), Limits()) == Item("i")


# --- embeddings ---------------------------------------------------------------------------------------------------


def test_a_vector_comes_back_bit_for_bit() -> None:
    vector = item_vector(3)
    found = decode_embedding(b"i", encode_embedding(Item("i", hidden=True), vector, SPACE, "f"))
    assert not isinstance(found, Removed)
    assert np.array_equal(found.array(), vector)
    assert (found.item_id, found.hidden, found.fingerprint, found.encoder) == ("i", True, "f", SPACE)


def test_embeddings_of_another_space_are_counted_and_left_out(catalog_updater: CatalogUpdater) -> None:
    foreign = [embedding("a", item_vector(1), "other@1"), embedding("b", item_vector(1)[:-1])]
    assert catalog_updater.learn([*foreign, embedding("c", item_vector(2))]) == ["c"]
    assert catalog_updater.foreign == 2
    assert list(catalog_updater.catalog.row_of) == ["c"]


def test_broken_embeddings_are_left_out(catalog_updater: CatalogUpdater) -> None:
    right = orjson.loads(embedding("a", item_vector(1)).v or b"")
    broken = [
        b"{",
        b"\xff",
        b'{"x":' + b"[" * 90_000,
        orjson.dumps({**right, "vector": "no base64!"}),
        orjson.dumps({**right, "vector": right["vector"][:-8]}),
        embedding("a", np.full(DIM, np.nan, dtype=np.float32)).v,
    ]
    messages = [Message(b"a", value) for value in broken]
    assert catalog_updater.learn([*messages, embedding("z", item_vector(2))]) == ["z"]
    assert "a" not in catalog_updater.catalog


# --- media --------------------------------------------------------------------------------------------------------


def fused(**parts: Any) -> FusedEncoder:
    def late(widths: dict[str, int]) -> LateFusion:
        return LateFusion(widths, dict.fromkeys(widths, 1.0))

    return FusedEncoder(ENCODER, late, **{"pictures": HashedPictures(8), **parts})


def pass_through(catalog_updater: CatalogUpdater, encoder: FusedEncoder, *records: Record) -> Changes:
    changes = catalog_updater.changes(records)
    written = catalog_updater.records(changes, catalog_updater.encode(changes, encoder))
    catalog_updater.learn([Message(key, value) for key, value in written])
    return changes


def with_media(encoder: FusedEncoder) -> CatalogUpdater:
    return CatalogUpdater(Catalog(encoder.dim), encoder, Limits())


def test_an_item_becomes_the_vector_of_all_its_media() -> None:
    encoder = fused()
    catalog_updater = with_media(encoder)
    pass_through(catalog_updater, encoder, item("i", title="Red mug", media=["a.jpg", "b.jpg", "talk.mp3"]))
    (expected,) = encoder.encode_contents([Content("Red mug", ("a.jpg", "b.jpg"))])
    assert np.array_equal(catalog_updater.catalog.vectors[catalog_updater.catalog.row_of["i"]], expected)


@pytest.mark.parametrize(
    ("media", "encoded"),
    [(["a.jpg", "b.jpg"], 0), (["b.jpg", "a.jpg", "talk.mp3"], 0), (["a.jpg"], 1), (["a.jpg", "c.jpg"], 1)],
)
def test_an_item_is_encoded_again_where_a_medium_that_is_read_changed(media: list[str], encoded: int) -> None:
    encoder = fused()
    catalog_updater = with_media(encoder)
    pass_through(catalog_updater, encoder, item("i", title="Red mug", media=["a.jpg", "b.jpg"]))
    changes = pass_through(catalog_updater, encoder, item("i", title="Red mug", media=media))
    assert len(changes.items) == encoded


def test_without_an_encoder_for_them_media_change_nothing(catalog_updater: CatalogUpdater) -> None:
    publish(catalog_updater, item("i", title="Red mug"))
    assert publish(catalog_updater, item("i", title="Red mug", media=["a.jpg"])).unchanged == 1


def test_what_is_left_of_an_item_is_encoded_and_the_rest_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    encoder = fused()
    catalog_updater = with_media(encoder)
    records = [item(f"i{n}", title="Red mug", media=["broken.jpg", f"{n}.jpg"]) for n in range(3)]
    changes = pass_through(catalog_updater, encoder, *records)
    (expected,) = encoder.encode_contents([Content("Red mug", ("1.jpg",))])
    assert np.array_equal(catalog_updater.catalog.vectors[catalog_updater.catalog.row_of["i1"]], expected)
    assert [(one.medium, one.reason) for one in changes.media_failed] == [
        ("picture", "FileNotFoundError")
    ] * 3
    other = item("other", title="hat", media=["broken because of the other reason.jpg"])
    pass_through(catalog_updater, encoder, other)
    assert [line.message.partition(" (logged once")[0] for line in caplog.records] == [
        "picture 'broken.jpg' of item 'i0' cannot be read: it is broken: send it again"
    ]
    # Sent again, it is worth another try; what was read whole is not.
    assert len(catalog_updater.changes(records).items) == 3
    catalog_updater = with_media(encoder)
    pass_through(catalog_updater, encoder, *records, item("whole", media=["a.jpg"]))
    assert [one.item_id for one, _ in catalog_updater.changes([*records, item("whole", media=["a.jpg"])]).items] == [
        "i0", "i1", "i2",
    ]  # fmt: skip


def test_an_item_of_which_nothing_can_be_read_is_rejected_and_its_neighbours_are_known() -> None:
    encoder = fused()
    catalog_updater = with_media(encoder)
    bad = item("bad", media=["broken.jpg"])
    changes = pass_through(catalog_updater, encoder, item("a", media=["a.jpg"]), bad, item("b", title="hat"))
    assert [(record, reason.reason, reason.stage) for record, reason in changes.rejected] == [
        (bad, Reason.MEDIA_UNREADABLE, "catalog.encode")
    ]
    assert set(catalog_updater.catalog.row_of) == {"a", "b"}
    assert len(changes.media_failed) == 1
    assert [one.item_id for one, _ in catalog_updater.changes([bad]).items] == ["bad"]


def test_where_the_encoder_of_pictures_is_down_no_item_is_rejected() -> None:
    pictures = HashedPictures(8)
    encoder = fused(pictures=pictures)
    catalog_updater = with_media(encoder)
    pictures.down = True
    with pytest.raises(EverythingFailsError, match="out of memory"):
        pass_through(
            catalog_updater, encoder, item("a", title="hat"), item("b", title="mug", media=["b.jpg"])
        )


def test_a_picture_that_the_encoder_cannot_take_is_isolated() -> None:
    class Picky(HashedPictures):
        def encode_images(self, images: Any) -> Any:
            vectors = super().encode_images(images)
            vectors[["nan" in str(image) for image in images]] = np.nan
            return vectors

    encoder = fused(pictures=Picky(8))
    catalog_updater = with_media(encoder)
    changes = pass_through(
        catalog_updater, encoder, item("a", media=["a.jpg"]), item("n", title="x", media=["nan.jpg"]),
        item("z", title="z", media=["broken.jpg"]), item("b", media=["broken.jpg"]),
    )  # fmt: skip
    assert {reason.reason for _, reason in changes.rejected} == {Reason.NOT_FINITE, Reason.MEDIA_UNREADABLE}
    assert set(catalog_updater.catalog.row_of) == {"a", "z"}
    assert len(changes.media_failed) == 2
