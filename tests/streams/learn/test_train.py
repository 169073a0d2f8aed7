"""From events to an encoder that knows what is consumed together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.core.base import EncoderError
from streams.datasets import DatasetError
from streams.events.canonical import Event
from streams.learn.training_data import Data, from_dataset
from streams.settings.sections.interest import WeightSettings
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import build_raw_encoder
from tests.encoders.tiny import make_bert

pytest.importorskip("peft", reason="the extra `train` is not installed")
from encoders.training.lora import Options, about
from streams.learn import train
from streams.learn.train import Choice, chosen_pairs, train_encoder

KINDS = "abcdefgh"
OPTIONS = Options(rank=4, alpha=8, learning_rate=3e-3, batch=16, epochs=3, max_length=16)


def world(users: int) -> Data:
    """Each user takes to two items of one kind, whose texts name it in different words."""
    random = np.random.default_rng(0)
    texts, events = {}, []
    for user in range(users):
        kind = int(random.integers(len(KINDS)))
        for side, text in enumerate((f"{3 * f'{KINDS[kind]} '}{user}", f"{3 * f'{kind} '}mug {user}")):
            texts[f"{user}-{side}"] = text
            time = 1_600_000_000_000 + 60_000 * user + side
            events.append(Event(f"{user}-{side}", str(user), "click", time, item_id=f"{user}-{side}"))
    return Data(texts, events)


def test_an_encoder_is_trained_from_events_and_chosen_by_its_folder(tmp_path: Path) -> None:
    settings = Settings(encoder=str(make_bert(tmp_path / "base")))
    output = tmp_path / "deep" / "encoder"
    done = train_encoder(settings, world(400), Choice(held_out=0.2), OPTIONS, output)
    assert (done.pairs, done.held_out) == (320, 80)
    assert min(done.history.held_out) < done.history.base - 0.8
    new = build_raw_encoder(Settings(encoder=str(output)).encoder)
    assert new.revision == done.revision != build_raw_encoder(settings.encoder).revision
    told = about(output)
    assert told["base_revision"] == build_raw_encoder(settings.encoder).revision
    assert told["cut"] == "2020-09-13T17:46:40.001000+00:00"
    assert told["recall_at_10"] == {"before": done.recall_before, "after": done.recall_after}
    assert (told["train_pairs"], told["held_out_pairs"]) == (320, 80)
    assert [path.name for path in output.parent.iterdir()] == ["encoder"]
    with pytest.raises(SettingsError, match="exists already"):
        train_encoder(settings, world(400), Choice(), OPTIONS, output)


def test_an_encoder_that_finds_fewer_partners_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([0.5, 0.4])
    monkeypatch.setattr(train, "recall", lambda *_: next(found))
    settings = Settings(encoder=str(make_bert(tmp_path / "base")))
    output = tmp_path / "out" / "encoder"
    with pytest.raises(EncoderError, match=r"0\.4000 .*nearest 10, and 0\.5000.*more pairs"):
        train_encoder(settings, world(400), Choice(held_out=0.2), OPTIONS, output)
    assert list(output.parent.iterdir()) == []


def test_too_few_pairs_say_what_to_do() -> None:
    with pytest.raises(EncoderError, match=r"too few.*--window-hours"):
        chosen_pairs(WeightSettings(), world(100), Choice())
    with pytest.raises(EncoderError, match="0 pairs"):
        chosen_pairs(WeightSettings(), Data({}, world(400).events), Choice())


def test_items_that_are_called_the_same_are_one_pair_on_one_side_of_the_cut() -> None:
    data = world(400)
    again = world(400)
    texts = {**data.texts, **{f"again-{item}": text for item, text in again.texts.items()}}
    day = 86_400_000
    events = [
        Event(
            f"again-{e.event_id}",
            f"again-{e.user_id}",
            e.action,
            e.timestamp + day,
            item_id=f"again-{e.item_id}",
        )
        for e in again.events
    ]
    train, held_out, cut = chosen_pairs(
        WeightSettings(), Data(texts, [*data.events, *events]), Choice(held_out=0.2)
    )
    assert (len(train), len(held_out)) == (320, 80)
    assert cut < 1_600_000_000_000 + day


def test_an_encoder_without_weights_cannot_be_trained(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no weights to train"):
        train_encoder(Settings(encoder="hashing"), world(400), Choice(), OPTIONS, tmp_path / "x")


def test_a_data_set_gives_texts_and_events(tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Heat (1995),Crime|Drama\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n7,1,4.5,964982703\n")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n")
    data = from_dataset("movielens", tmp_path)
    assert data.texts == {"1": "Heat (1995). Crime, Drama"}
    (event,) = data.events
    assert (event.user_id, event.item_id, event.value, event.timestamp) == ("7", "1", 4.5, 964982703000)
    with pytest.raises(DatasetError, match="there are: online-retail"):
        from_dataset("nothing", tmp_path)
