"""Items with pictures on a real Kafka, seen by a real, tiny CLIP: fitted from topics, fused, told of where broken."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

from encoders.fitted.fusion import GatedFusion
from encoders.media.content import Content, ContentEncoder
from streams.history import replay
from streams.kafka.topics import specifications as topics
from streams.local_kafka.local_kafka import free_port
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from streams.wiring.encoder import build_encoder
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.shop import ITEMS, USERS, catalog, embeddings, item, visits
from tests.broker.test_words import vector
from tests.broker.test_worker import event, latest
from tests.broker.workers import SMALL, command, eventually, run_worker, running_worker
from tests.encoders.media.tiny_media import as_bytes, make_clip, picture
from tests.encoders.tiny import make_bert


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def shop(make_settings: MakeSettings, clip: Path, tmp_path: Path) -> Settings:
    """Settings whose topics exist, with a folder of pictures: 0.png, …, and broken.png."""
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.png").write_bytes(as_bytes(picture(number)))
    (folder / "broken.png").write_bytes(b"\x89PNG and nothing more")
    made = make_settings(**SMALL, partitions=2, image_encoder=str(clip), media_folder=folder)
    # The events are canonical as they come, so that there are some before any worker runs.
    source = Source(topic=made.topics.events, format="canonical")
    settings = made.model_copy(update={"sources": (source,), "metrics_port": free_port()})
    topics.create(settings)
    return settings


def test_a_fusion_fitted_from_topics_is_what_a_worker_makes_vectors_with(
    shop: Settings, produce: Produce, read_topic: ReadTopic, tmp_path: Path
) -> None:
    produce(shop.topics.items, [*catalog(), item("none", "", "broken.png")])
    produce(shop.topics.events, visits())
    path = tmp_path / "fusion.safetensors"
    told = command(shop, "fit", "fusion", "--output", str(path)).splitlines()
    assert told[0].startswith(f"fusion: items={ITEMS} unreadable=1 pairs=")
    assert [line.split(":")[0] for line in told[1:4]] == ["late", "projected", "gated"]
    assert told[4] == f"{path}: version {GatedFusion.load(path).version}. Set INTERESTFLOW_FUSION={path}"
    settings = shop.model_copy(update={"fusion": path})
    log = run_worker(settings)
    assert "leaked" not in log, log
    encoder = build_encoder(settings)
    assert isinstance(encoder, ContentEncoder)
    known = embeddings(read_topic, settings)
    assert set(known) == {f"i{n}" for n in range(ITEMS)}
    expected = encoder.encode_contents([Content("shoe sport 1", ("1.png",)), Content("mug kitchen 0")])
    np.testing.assert_allclose([known["i1"], known["i0"]], expected, atol=1e-5)
    vectors = {user: vector(record) for user, record in latest(read_topic(settings.topics.vectors)).items()}
    assert set(vectors) == {f"u{n}" for n in range(USERS)}
    assert {len(row) for row in vectors.values()} == {settings.encoder.dimensions}
    assert replay.verify(settings).equal


def test_pictures_from_files_and_uris_count_and_what_is_broken_is_left_out_told_and_counted(
    shop: Settings, produce: Produce, read_topic: ReadTopic, tmp_path: Path
) -> None:
    # A text encoder of 32 dimensions beside the pictures' 12.
    settings = shop.model_copy(update={"encoder": str(make_bert(tmp_path / "bert")), "dimensions": 44})
    uri = f"data:image/png;base64,{base64.b64encode(as_bytes(picture(1))).decode()}"
    records = [item("file", "red mug", "1.png"), item("uri", "red mug", uri), item("text", "red mug")]
    records += [item("half", "red mug", "1.png", "broken.png"), item("none", "", "broken.png")]
    records += [item("outside", "red mug", "../bert/config.json")]
    produce(settings.topics.items, records)
    produce(settings.topics.events, [event(0, "u", "file", source="test")])
    with running_worker(settings):
        eventually(lambda: read_topic(settings.topics.vectors), "the vector")
        with urlopen(f"http://127.0.0.1:{settings.observation.metrics_port}/metrics", timeout=5) as answer:
            shown = answer.read().decode()
    known = embeddings(read_topic, settings)
    assert set(known) == {"file", "uri", "text", "half", "outside"}
    for one, same in (("file", "uri"), ("file", "half"), ("text", "outside")):
        np.testing.assert_allclose(known[one], known[same], atol=1e-6)
    assert known["file"] @ known["text"] < 0.99
    (record,) = latest(read_topic(settings.topics.vectors)).values()
    np.testing.assert_allclose(vector(record), known["file"], atol=1e-5)
    (rejected,) = read_topic(settings.topics.rejected)
    headers = dict(rejected.headers())
    assert (rejected.key(), headers["interestflow.reason"]) == (b"none", b"media_unreadable")
    assert b"'broken.png': it is no picture" in headers["__connect.errors.exception.message"]
    assert 'interestflow_media_failed_total{medium="picture",reason="UnidentifiedImageError"} 2.0' in shown
    assert 'interestflow_media_failed_total{medium="picture",reason="MediaError"} 1.0' in shown
