"""The remote encoder against a real server: what it sends, what it repeats, what it gives up, what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.core.base import EncoderError, counts
from encoders.remote.circuit import Circuit
from encoders.remote.embeddings_server import LONGEST_PAUSE_S, Endpoint, RemoteAwayError, RemoteRefusedError
from encoders.remote.encoder import REST_S, RemoteEncoder
from encoders.text.hashing import HashingEncoder
from streams.events.isolation import EverythingFailsError
from streams.flow.encoding import encode_isolating
from streams.settings.settings import Settings
from streams.wiring.encoder import build_raw_encoder
from tests.encoders.remote.served import DIM, Answer, Script, serving

KEY = "sk-do-not-print"
UNAVAILABLE: Answer = (503, {}, b"loading")


class Rig:
    """A server, its encoder, and a clock that only pauses move."""

    def __init__(self, stack: ExitStack) -> None:
        self.script, self.stack = Script(), stack
        self.endpoint = stack.enter_context(serving(self.script))
        self.now, self.pauses = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def encoder(self, endpoint: Endpoint | None = None, **options: Any) -> RemoteEncoder:
        options = {"rng": Random(0), "clock": lambda: self.now, "sleep": self.sleep, **options}
        encoder = RemoteEncoder(endpoint or self.endpoint, **options)
        self.stack.callback(encoder.close)
        self.script.requests.clear()
        return encoder


@pytest.fixture
def rig() -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(stack)


def texts(count: int) -> list[str]:
    return [f"text number {n}" for n in range(count)]


def answering(change: Callable[[dict[str, Any]], object]) -> Callable[[Script, dict[str, Any]], Answer]:
    def answer(script: Script, asked: dict[str, Any]) -> Answer:
        status, headers, body = script.well(asked)
        told = json.loads(body)
        change(told)
        return status, headers, json.dumps(told).encode()

    return answer


# --- well ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offers_base64", [True, False])
def test_vectors_come_in_the_texts_order_as_units_in_either_form(rig: Rig, offers_base64: bool) -> None:
    rig.script.offers_base64, rig.script.scale = offers_base64, 7.5
    encoder = rig.encoder(texts_per_request=3)
    found = encoder.encode(texts(10))
    assert found == pytest.approx(HashingEncoder(DIM).encode(texts(10)), abs=1e-6)
    asked = rig.script.requests
    assert sorted(len(one["input"]) for one in asked) == [1, 3, 3, 3]
    assert {one["encoding_format"] for one in asked} == {"base64" if offers_base64 else "float"}
    assert {one["model"] for one in asked} == {"some-model"}
    assert all("dimensions" not in one for one in asked)
    assert rig.pauses == []


def test_the_key_and_the_dimensions_are_sent(rig: Rig) -> None:
    encoder = rig.encoder(replace(rig.endpoint, api_key=KEY, dimensions=DIM))
    encoder.encode(["a"])
    assert rig.script.requests[0]["dimensions"] == encoder.dim == DIM
    assert {headers.get("authorization") for headers in rig.script.headers} == {f"Bearer {KEY}"}


def test_no_more_requests_at_a_time_than_allowed_whoever_asks(rig: Rig) -> None:
    encoder = rig.encoder(texts_per_request=1, concurrency=3)
    rig.script.delay_s = 0.02
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(encoder.encode, [texts(8)] * 4))
    assert len(rig.script.requests) == 32
    assert rig.script.most_at_once == 3


def test_a_space_is_a_model_a_revision_and_a_dimension_wherever_it_is_served(rig: Rig) -> None:
    one, same = rig.encoder().revision, rig.encoder().revision
    elsewhere = rig.encoder(rig.stack.enter_context(serving(Script())))
    smaller = rig.encoder(rig.stack.enter_context(serving(Script(8))))
    renamed = rig.encoder(replace(rig.endpoint, model="other"))
    newer = rig.encoder(revision="2")
    assert one == same == elsewhere.revision
    assert len({one, smaller.revision, renamed.revision, newer.revision}) == 4


# --- what may pass by itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_asked_again_after_growing_pauses(rig: Rig, status: int) -> None:
    encoder = rig.encoder()
    rig.script.first = [(status, {}, b"busy")] * 3
    assert encoder.encode(["a"]) == pytest.approx(HashingEncoder(DIM).encode(["a"]), abs=1e-6)
    assert all(low <= pause <= 2 * low for low, pause in zip((0.125, 0.25, 0.5), rig.pauses, strict=True))
    assert counts(encoder)["remote"] == {"requests": 5, "retries": 3, "not_sent": 0}


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "7"},
        {"retry-after": "Tue, 24 Nov 2026 10:00:07 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"},
    ],
)
def test_a_server_that_says_when_is_asked_then(rig: Rig, headers: dict[str, str]) -> None:
    encoder = rig.encoder()
    rig.script.first = [(429, headers, b"")]
    encoder.encode(["a"])
    assert rig.pauses == [7.0]


def test_a_server_that_wants_to_be_left_alone_for_long_is_not_waited_for_here(rig: Rig) -> None:
    encoder = rig.encoder()
    rig.script.first = [(429, {"retry-after": str(LONGEST_PAUSE_S + 1).split(".")[0]}, b"")]
    with pytest.raises(RemoteAwayError, match="429"):
        encoder.encode(["a"])
    assert rig.pauses == []


def test_an_answer_that_does_not_come_is_a_time_out(rig: Rig) -> None:
    encoder = rig.encoder(timeout_s=0.3, retries=1)
    rig.script.delay_s = 1.0
    with pytest.raises(RemoteAwayError, match="ReadTimeout"):
        encoder.encode(["a"])
    assert len(rig.script.requests) == 2


def test_nobody_there_is_said_at_the_start(rig: Rig) -> None:
    with serving(Script()) as gone:
        pass
    with pytest.raises(RemoteAwayError, match=r"does not answer.*reach the server"):
        rig.encoder(gone)


def test_a_server_that_stays_away_is_given_a_rest_and_then_tried_by_one_request(rig: Rig) -> None:
    threshold = 3
    encoder = rig.encoder(retries=0, texts_per_request=1, failures_to_rest=threshold)
    rig.script.answer = lambda asked: UNAVAILABLE
    for _ in range(threshold):
        with pytest.raises(RemoteAwayError, match="503"):
            encoder.encode(["a"])
    with pytest.raises(RemoteAwayError, match="rests for 10 s"):
        encoder.encode(["a"])
    assert len(rig.script.requests) == threshold
    rig.now += REST_S  # half-open: one is let through, and fails
    for _ in range(2):
        with pytest.raises(RemoteAwayError):
            encoder.encode(["a"])
    assert len(rig.script.requests) == threshold + 1
    assert counts(encoder)["remote"]["not_sent"] == 2
    rig.script.answer = rig.script.well
    rig.now += REST_S
    assert encoder.encode(texts(3)).shape == (3, DIM)  # closed again, for all


@given(steps=st.lists(st.sampled_from(["ok", "fail", "wait"]), max_size=40), threshold=st.integers(1, 4))
def test_a_circuit_opens_after_failures_in_a_row_and_lets_one_try_per_rest(
    steps: list[str], threshold: int
) -> None:
    now, row, opened = 0.0, 0, None
    circuit = Circuit(threshold, 10.0, lambda: now)
    for step in steps:
        if step == "wait":
            now += 4.0
            continue
        allowed = circuit.enter() == 0
        assert allowed == (opened is None or now >= opened + 10.0)
        if not allowed:
            assert circuit.enter() == pytest.approx(opened + 10.0 - now)
            continue
        if opened is not None:
            assert circuit.enter() == 10.0  # one only
        if step == "ok":
            circuit.succeeded()
            row, opened = 0, None
        else:
            circuit.failed()
            row += 1
            opened = now if row >= threshold else None


# --- what is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_text_that_is_refused_is_found_among_its_neighbours(rig: Rig, status: int) -> None:
    encoder = rig.encoder(texts_per_request=8)

    def answer(asked: dict[str, Any]) -> Answer:
        return (
            (status, {}, b"too long")
            if any("poison" in t for t in asked["input"])
            else rig.script.well(asked)
        )

    rig.script.answer = answer
    given = texts(20)
    given[13] = "poison"
    with pytest.raises(RemoteRefusedError, match="shorten the text"):
        encoder.encode(given)
    vectors, refused = encode_isolating(encoder, given, "stage")
    assert list(refused) == [13]
    assert vectors == pytest.approx(HashingEncoder(DIM).encode(given[:13] + given[14:]), abs=1e-6)
    assert rig.pauses == []  # nothing of it is asked twice


def test_a_text_that_breaks_the_server_is_found_and_does_not_open_the_circuit(rig: Rig) -> None:
    # In one request, so that no neighbour's success comes between its failures.
    encoder = rig.encoder(texts_per_request=128, retries=0)

    def answer(asked: dict[str, Any]) -> Answer:
        return (500, {}, b"") if "poison" in asked["input"] else rig.script.well(asked)

    rig.script.answer = answer
    assert list(encode_isolating(encoder, ["poison", *texts(99)], "stage")[1]) == [0]
    assert counts(encoder)["remote"]["not_sent"] == 0


def test_a_server_that_is_away_is_no_fault_of_a_text(rig: Rig) -> None:
    encoder = rig.encoder()
    rig.script.answer = lambda asked: UNAVAILABLE
    with pytest.raises(EverythingFailsError, match="503"):
        encode_isolating(encoder, texts(3), "stage")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told.pop("data"), "OpenAI-style"),
        (lambda told: told["data"].pop(), "1 vectors, not those of the 2 texts"),
        (lambda told: told["data"].append(told["data"][0]), "3 vectors, not those of the 2 texts"),
        (lambda told: told["data"][0].update(index=0), "not those of the 2 texts"),
        (lambda told: told["data"][0].update(embedding=[1.0]), r"\[1, 16\] dimensions"),
        (lambda told: [row.update(embedding=[1.0, 2.0]) for row in told["data"]], r"\[2, 16\] dimensions"),
        (lambda told: told["data"][0].update(embedding=[0.0] * DIM), "zeros or no finite"),
        (lambda told: told["data"][0].update(embedding="AADAfwAA" * 8 + "AADAfw=="), "dimensions"),
        (lambda told: told["data"][0].update(embedding="!!"), "OpenAI-style"),
        (lambda told: told["data"][0].update(embedding="AAAA"), "OpenAI-style"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(rig: Rig, change: Any, said: str) -> None:
    encoder = rig.encoder()
    answer = answering(change)
    rig.script.answer = lambda asked: answer(rig.script, asked)
    with pytest.raises(EncoderError, match=said):
        encoder.encode(["a", "b"])


def test_numbers_that_are_not_finite_are_refused(rig: Rig) -> None:
    encoder = rig.encoder()
    rig.script.scale = np.nan
    with pytest.raises(EncoderError, match="no finite numbers"):
        encoder.encode(["a"])


def test_what_is_no_json_is_told(rig: Rig) -> None:
    encoder = rig.encoder()
    rig.script.answer = lambda asked: (200, {}, b"<html>proxy")
    with pytest.raises(EncoderError, match="OpenAI-style"):
        encoder.encode(["a"])


@pytest.mark.parametrize(("status", "said"), [(401, "API_KEY"), (403, "API_KEY"), (404, "REMOTE_MODEL")])
def test_a_start_that_cannot_be_says_which_setting_to_look_at(rig: Rig, status: int, said: str) -> None:
    rig.script.answer = lambda asked: (status, {}, f"no, {KEY}".encode())
    with pytest.raises(EncoderError, match=said) as caught:
        rig.encoder(replace(rig.endpoint, api_key=KEY))
    assert KEY not in str(caught.value)


def test_a_model_that_cannot_shorten_its_vectors_is_told(rig: Rig) -> None:
    with pytest.raises(EncoderError, match="REMOTE_DIMENSIONS"):
        rig.encoder(replace(rig.endpoint, dimensions=8))


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}é"])
def test_a_key_that_fits_no_header_is_not_repeated(rig: Rig, key: str) -> None:
    with pytest.raises(EncoderError, match="bare key") as caught:
        rig.encoder(replace(rig.endpoint, api_key=key))
    assert KEY not in str(caught.value)
    assert KEY not in repr(replace(rig.endpoint, api_key=key))


@pytest.mark.parametrize(
    "url", ["http://user:pw@host/v1", "https://host/v1?key=pw", "http://host:port/v1", "http:///v1"]
)
def test_a_url_that_holds_a_secret_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(EncoderError, match="INTERESTFLOW_ENCODER") as caught:
        RemoteEncoder(Endpoint(url, "m"))
    assert "pw" not in str(caught.value)


# --- settings -----------------------------------------------------------------------------------------------------


def test_the_settings_pick_it(rig: Rig) -> None:
    settings = Settings(
        encoder=rig.endpoint.url,
        encoder_remote_model="some-model",
        encoder_remote_api_key=KEY,
        encoder_revision="3",
    )
    encoder = build_raw_encoder(settings.encoder)
    assert isinstance(encoder, RemoteEncoder)
    rig.stack.callback(encoder.close)
    assert (encoder.id, encoder.dim) == ("some-model", DIM)
    assert encoder.revision == rig.encoder(revision="3").revision


def test_a_url_needs_the_models_name() -> None:
    with pytest.raises(EncoderError, match="ENCODER_REMOTE_MODEL"):
        build_raw_encoder(Settings(encoder="http://127.0.0.1:1/v1").encoder)
