"""What a benchmark makes of its samples, and that what engines are given has one right answer. No Kafka."""

from __future__ import annotations

import json
import sys
from binascii import a2b_base64
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from streams.bench import peers, process
from streams.bench.errors import BenchError
from streams.bench.harness import Row, Samples
from streams.bench.peers import environment, jvm
from streams.bench.peers.arithmetic import Fold, Job, State
from streams.bench.peers.environment import Packages
from streams.bench.show import Say, show
from streams.bench.stream import checking, memory, ours, recommend, run, scale, states, throughput, workload
from streams.bench.stream.contender import INTERVAL_MS, Contender, Form, Launch, Wiring
from streams.bench.stream.workload import Workload
from streams.commands.bench import bench_cli
from streams.events.canonical import decode_stored
from streams.interest.base import Signals
from streams.interest.decay import DecayModel, HalfLife
from streams.local_kafka.install import LocalKafkaError
from streams.settings.configuration import load
from streams.state.users.partition import UserPartition

ABSENT = Contender("absent", 1.0, "missing. Do this.", None)


def test_rows_are_least_median_and_greatest_and_ratios_are_taken_by_round() -> None:
    samples = Samples()
    for mine, other in ((10.0, 1.0), (30.0, 2.0), (20.0, 4.0)):
        samples.add("case", "ours", "rate", "1/s", mine)
        samples.add("case", "other", "rate", "1/s", other)
    samples.missing("case", "absent", "rate", "1/s")
    samples.add_ratios("case", "rate", "ours", ["other", "absent"])
    assert samples.rows() == [
        Row("case", "ours", "rate", "1/s", 10.0, 20.0, 30.0, 3),
        Row("case", "other", "rate", "1/s", 1.0, 2.0, 4.0, 3),
        Row("case", "absent", "rate", "1/s", None, None, None, 0),
        Row("case", "ours / other", "rate_ratio", "x", 5.0, 10.0, 15.0, 3),
        Row("case", "ours / absent", "rate_ratio", "x", None, None, None, 0),
    ]


def test_what_is_missing_is_shown_and_the_notes_stand_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["__main__.py", "bench", "stream"])
    samples = Samples(notes={"absent": "missing. Do this."})
    samples.missing("case", "absent", "rate", "1/s")

    def measure(say: Say) -> Samples:
        say("half of it")
        return samples

    show(measure, tmp_path / "deep" / "rows.json", "two cores")
    shown, told = capsys.readouterr()
    assert shown.count("missing") == 4
    assert "absent: missing. Do this." in shown
    assert shown.startswith("two cores\ninterestflow bench stream\n")
    assert told == "half of it\n"
    assert json.loads((tmp_path / "deep" / "rows.json").read_text()) == [
        {
            "case": "case",
            "engine": "absent",
            "metric": "rate",
            "unit": "1/s",
            "min": None,
            "median": None,
            "max": None,
            "runs": 0,
        }
    ]


def test_our_fold_the_peers_fold_and_plain_folding_agree(tmp_path: Path) -> None:
    made = Workload(2000, users=50)
    wiring = Wiring("", "", "", "test", tmp_path, Form.EVENT)
    job = Job(**peers.job(wiring))
    fold, found = Fold(job), {}
    packed: dict[str, bytes] = {}
    flow = states.flow()
    flow.partitions[0] = part = UserPartition(0, flow.layout)
    records = states.records(made)
    for at in range(0, len(records), 300):
        flow.update(0, flow.decode(records[at : at + 300]), np.zeros((0, workload.DIM), dtype=np.float32))
    for _, value in made.records:
        event = json.loads(value)
        user = event["user_id"]
        state = State.of(packed[user]) if user in packed else fold.start()
        found[user] = fold.step(state, event)
        packed[user] = state.to_bytes()
    ours_now = flow.model.interest(flow.layout.view(part.arena)["model"][: len(part)]).vectors[:, 0]
    wanted = made.expected(made.count)
    assert set(wanted) == set(found) == set(part.users)
    for user, vector in wanted.items():
        theirs = np.frombuffer(a2b_base64(found[user]["vector"]), dtype="<f4")
        np.testing.assert_allclose(ours_now[part.row_of[user]], vector, atol=1e-5)
        np.testing.assert_allclose(theirs, vector, atol=1e-5)
    assert sum(record["count"] for record in found.values()) == made.count


def test_an_engine_that_cannot_run_has_missing_rows_and_a_missing_ratio() -> None:
    absent = [replace(contender, prepare=None) for contender in (*ours.CONTENDERS, ABSENT)]
    found = throughput.measure(SimpleNamespace(), absent, 1, 1000, lambda line: None)  # type: ignore[arg-type]
    rows = {(row.engine, row.metric): row.median for row in found.rows()}
    assert rows["absent-touched", "events_per_s"] is None
    assert rows["interestflow-touched / absent-touched", "cpu_ratio"] is None
    # An engine is compared with ours in the same form alone.
    assert ("interestflow-event / absent-touched", "cpu_ratio") not in rows
    assert found.notes["absent-touched"] == ABSENT.note


def test_as_many_events_warm_an_engine_up_as_are_measured() -> None:
    load = throughput.Load.of(0.5, 100_000)
    assert (load.warm, load.measured, load.events.count) == (50_000, 50_000, 100_000)
    assert throughput.Load.of(0.001, 100_000).warm == throughput.WARM_UP


def test_records_made_in_parts_are_those_made_at_once() -> None:
    made = Workload(300)
    assert [*made.encoded(0, 120), *made.encoded(120, 300)] == made.records


def test_everybody_comes_once_and_then_anybody() -> None:
    made = Workload(700, users=500, zipf=0.0, dim=16, each_once=True)
    users = [key.decode() for key, _ in made.records]
    assert users[:500] == made.ids()
    assert users[500:] != made.ids()[:200]
    assert {len(vector) for vector in made.expected(700).values()} == {16}


def test_one_thing_changes_at_a_time() -> None:
    assert list(scale.points(scale.Axes(workers=(2,), users=(1000,)))) == [
        ("2 workers", scale.Point(workers=2)),
        ("1,000 users", scale.Point(users=1000)),
    ]
    named = [name for name, _ in scale.points(scale.Axes())]
    assert ("1,000,000 users" in named, "16 dims" in named, len(named)) == (True, True, 11)
    load = scale.Point(users=1000).load(500)
    assert (load.warm, load.measured) == (1000, 500)


def test_several_workers_are_one_engine(tmp_path: Path) -> None:
    one = Launch(
        [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"], {}
    )
    several = scale._times(one, 3)
    with process.engine("three", several.command, several.environment, tmp_path / "log") as engine:
        while len((tmp_path / "log").read_text().split()) < 3:
            engine.require_alive()
        children = psutil.Process(engine.pid).children()
        assert len(children) == 3
        assert engine.resident_bytes() > sum(child.memory_info().rss for child in children)
    assert not any(child.is_running() for child in children)
    assert scale._times(one, 1) is one


def test_peers_hold_vectors_back_in_one_form_alone(tmp_path: Path) -> None:
    jobs = [peers.job(Wiring("", "", "", "test", tmp_path, form)) for form in (Form.TOUCHED, Form.EVENT)]
    assert [job["interval_ms"] for job in jobs] == [INTERVAL_MS, 0]


def test_a_lost_event_and_a_wrong_vector_are_refused() -> None:
    made = Workload(500, users=5)
    right = {user: (100, vector) for user, vector in made.expected(500).items()}
    checking.check(right, made)
    user = "user-00000"  # one of those that are compared
    with pytest.raises(BenchError, match="hold 499 events, but 500 were written"):
        checking.check({**right, user: (99, right[user][1])}, made)
    checking.check(right, made, written=500)
    with pytest.raises(BenchError, match="499 vectors of 500 events"):
        checking.check(right, made, written=499)
    with pytest.raises(BenchError, match=f"the vector of {user} is wrong by"):
        checking.check({**right, user: (100, -right[user][1])}, made)


def test_vectors_of_many_events_may_differ_by_what_float32_loses() -> None:
    made = Workload(100_000, users=1, dim=16)
    model = DecayModel(16, HalfLife(workload.SHORT_EVENTS, "events"), HalfLife(workload.LONG_S))
    states = np.zeros(1, dtype=model.state_dtype())
    _, items, actions = made._drawn
    weights = np.array([workload.WEIGHTS[action] for action in workload.ACTIONS], dtype=np.float32)
    times = np.arange(made.count) * workload.STEP_MS
    starts = np.arange(made.count + 1)
    table = workload.vectors(16)
    model.update(states, Signals(starts, np.zeros_like(items), times, weights[actions], table, items, items))
    vector, wanted = model.interest(states).vectors[0, 0], made.expected(made.count)["user-00000"]
    lost = np.abs(vector - wanted).max()
    assert 1e-5 < lost < checking.tolerance(made.count, 16) < 1e-3
    assert checking.tolerance(1000, 128) < 1.1 * checking.TOLERANCE


def test_every_event_is_one_that_the_stream_takes() -> None:
    made = Workload(300)
    events = [decode_stored(value) for _, value in made.records]
    assert [key.decode() for key, _ in made.records] == [event.user_id for event in events]
    assert {event.action for event in events} <= set(workload.WEIGHTS)
    assert Workload(300).records == made.records


def test_the_worker_gets_its_settings_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = SimpleNamespace(servers="127.0.0.1:1")
    given, environment = ours.deployment(cluster, "x.", sources="in:canonical", recommend=False)  # type: ignore[arg-type]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load() == given
    assert given.topics.canonical == "in"
    assert not given.recommendations.enabled


def test_peers_that_cannot_be_installed_are_missing_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INTERESTFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    found = run.contenders(run.Plan(1, 1000, engines=("quix", "bytewax", "interestflow")), said.append)
    assert [contender.label for contender in found] == [
        *("interestflow-touched", "bytewax-touched"),
        *("interestflow-event", "quix-event", "bytewax-event"),
    ]
    assert found[1].prepare is None
    assert "pip install uv" in found[1].note
    assert "pip install uv" in said[-1]


def test_engines_that_need_java_run_where_they_are_named_and_are_missing_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_java() -> None:
        raise LocalKafkaError("no Java: do this")

    monkeypatch.setenv("INTERESTFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(jvm, "find_java", no_java)
    said: list[str] = []
    found = run.contenders(
        run.Plan(1, 1000, engines=("flink", "interestflow"), forms=("event",)), said.append
    )
    assert [contender.label for contender in found] == ["interestflow-event", "flink-event"]
    assert found[1].prepare is None
    assert found[1].note == said[-1] == "missing. no Java: do this"
    assert not set(run.ENGINES) & set(run.OPTIONAL)


def test_pathway_has_an_environment_of_its_own_that_is_made_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[str] = []

    def ready(packages: Packages, say: Say) -> Path:
        made.append(packages.folder)
        return tmp_path / packages.folder / "bin" / "python"

    monkeypatch.setattr(environment, "ready", ready)
    run.contenders(run.Plan(1, 1000), made.append)
    assert made == ["bench-peers-venv"]
    found = run.contenders(run.Plan(1, 1000, engines=("pathway", "bytewax"), forms=("event",)), made.append)
    assert [contender.label for contender in found] == ["bytewax-event", "pathway-event"]
    assert made[1:] == ["bench-peers-venv", "bench-pathway-venv"]


def test_java_sources_that_do_not_compile_say_so(tmp_path: Path) -> None:
    program = tmp_path / "java"
    program.write_text("#!/bin/sh\necho 'no such type' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(BenchError, match=r"Peer.java cannot be compiled with .*: no such type"):
        jvm._compile(str(program), "", tmp_path, [tmp_path / "Peer.java"], tmp_path / "classes")
    assert not (tmp_path / "classes").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--case", "nothing"), ("--engine", "nobody"), ("--form", "none")]
)
def test_a_name_that_is_none_is_refused_with_those_that_are(option: str, value: str) -> None:
    result = CliRunner().invoke(bench_cli, ["stream", option, value])
    assert result.exit_code == 1
    assert f"{value}; there are: " in result.output


def test_help_has_an_example() -> None:
    assert "interestflow bench stream" in CliRunner().invoke(bench_cli, ["stream", "--help"]).output


def test_users_are_counted_in_memory_and_recommendations() -> None:
    assert len(recommend.child(40, 2)["users_per_s"]) == 2
    found = memory.child(4000, 2)
    assert found["arena"] == [states.flow().layout.size]
