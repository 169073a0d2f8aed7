"""The metrics of several processes as one: sums that never go back, and a rule for every gauge."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from encoders.serving.pool import EncoderPool
from encoders.text.hashing import HashingEncoder
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics
from streams.processes.line import Report, report
from streams.processes.totals import ADDED, COUNTED, HIGHEST, Tally, Totals

KEY = "family", "sample", ()


def told(metrics: Metrics) -> Report:
    return report(metrics.registry, Health())


def samples(totals: Totals, running: dict[int, Report]) -> dict[str, float]:
    """name{labels} -> value."""
    return {
        f"{s.name}{dict(s.labels)}": s.value for family in totals.metrics(running) for s in family.samples
    }


def test_a_counter_that_begins_anew_adds_to_what_it_was() -> None:
    tally = Tally()
    for value in (5.0, 7.0, 2.0, 3.0):
        tally.take({KEY: value})
    assert tally.totals() == {KEY: 10.0}
    tally.renew()
    assert tally.totals() == {KEY: 10.0}
    tally.take({KEY: 12.0})
    assert tally.totals() == {KEY: 22.0}


def test_a_counter_that_is_shown_no_more_keeps_its_count() -> None:
    tally = Tally()
    for counted in ({KEY: 5.0}, {}, {KEY: 1.0}):
        tally.take(counted)
    assert tally.totals() == {KEY: 6.0}


def test_counters_and_histograms_are_added_up() -> None:
    one, two, totals = Metrics(), Metrics(), Totals(2)
    one.events.labels("applied").inc(3)
    two.events.labels("applied").inc(4)
    two.events.labels("late").inc(1)
    one.latency.observe(0.002)
    two.latency.observe(0.3)
    for number, metrics in enumerate((one, two), 1):
        totals.take(number, told(metrics))
    found = samples(totals, {})
    assert found["interestflow_events_total{'outcome': 'applied'}"] == 7
    assert found["interestflow_events_total{'outcome': 'late'}"] == 1
    assert found["interestflow_end_to_end_seconds_count{}"] == 2
    assert found["interestflow_end_to_end_seconds_bucket{'le': '0.005'}"] == 1
    assert found["interestflow_end_to_end_seconds_bucket{'le': '+Inf'}"] == 2


def test_gauges_of_running_processes_alone_follow_their_rule() -> None:
    one, two, totals = Metrics(), Metrics(), Totals(2)
    for metrics, number in ((one, 1), (two, 2)):
        metrics.catalog.labels("visible").set(100 + number)
        metrics.recovered.set(number)
        metrics.paused.labels("kafka").set(number == 2)
        metrics._gauge("of_no_rule", "None").set(number)
        totals.take(number, told(metrics))
    found = samples(totals, {1: told(one), 2: told(two)})
    assert found["interestflow_catalog_items{'visibility': 'visible'}"] == 102
    assert found["interestflow_recovered_users{}"] == 3
    assert found["interestflow_paused{'stage': 'kafka'}"] == 1
    assert found["interestflow_of_no_rule{'process': '2'}"] == 2
    alone = samples(totals, {1: told(one)})
    assert alone["interestflow_catalog_items{'visibility': 'visible'}"] == 101
    assert "interestflow_of_no_rule{'process': '2'}" not in alone


def test_every_gauge_has_a_rule() -> None:
    metrics = Metrics()
    metrics.watch(EncoderPool(HashingEncoder(8)))
    metrics.watch_users({})
    metrics.watch_feedback({})
    gauges = {family.name for family in metrics.registry.collect() if family.type not in COUNTED}
    # A rate of each process is neither the highest nor a sum.
    assert gauges - {"interestflow_click_through_rate"} == HIGHEST | ADDED


def test_what_is_reported_is_all_that_a_worker_shows_but_the_times_of_making() -> None:
    registry: CollectorRegistry = Metrics().registry
    shown = {s.name for f in registry.collect() for s in f.samples if not s.name.endswith("_created")}
    assert {name for family in report(registry, Health()).families for name, _, _ in family.samples} == shown
