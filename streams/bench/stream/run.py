"""One invocation of `bench stream`: which cases, in order, and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams.bench import peers
from streams.bench.cluster import Cluster, cluster
from streams.bench.errors import check_names
from streams.bench.harness import Samples, machine
from streams.bench.peers import jvm
from streams.bench.show import Say, show
from streams.bench.stream import latency, memory, ours, recommend, recovery, scale, throughput
from streams.bench.stream.contender import Contender, Form


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. cases, engines, forms: by name, all where empty.

    events: of a throughput run. rate: events per second of a latency run. active_users: who get recommendations.
    users: in memory and changelog. axes: what grows in the case `scale`. warm_up_s: seconds in which the broker
    compiles its own code.
    """

    runs: int
    events: int
    cases: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    rate: int = 5000
    active_users: int = 20_000
    users: int = 200_000
    axes: scale.Axes = scale.DEFAULTS
    warm_up_s: float = 15.0


Case = Callable[[Cluster, Plan, Say], Samples]


def _throughput(cluster: Cluster, plan: Plan, say: Say) -> Samples:
    return throughput.measure(cluster, contenders(plan, say), plan.runs, plan.events, say)


CASES: dict[str, Case] = {
    throughput.CASE: _throughput,
    latency.CASE: lambda cluster, plan, say: latency.measure(cluster, plan.runs, plan.rate, say),
    recommend.CASE: lambda cluster, plan, say: recommend.measure(cluster, plan.runs, plan.active_users, say),
    recovery.CASE: lambda cluster, plan, say: recovery.measure(cluster, plan.runs, plan.users, say),
    memory.CASE: lambda cluster, plan, say: memory.measure(cluster, plan.runs, plan.users, say),
    scale.CASE: lambda cluster, plan, say: scale.measure(cluster, plan.axes, plan.runs, plan.events, say),
}
# Which run where they are named: they take long.
NAMED_ONLY = {scale.CASE}
# Which run where they are named: they fetch some 100 MB of jars, or a gigabyte of packages.
OPTIONAL = (*peers.NAMED_ONLY, *jvm.NAMES)
ENGINES = (ours.NAME, *(peer.name for peer in peers.PEERS if peer.name not in OPTIONAL))


def contenders(plan: Plan, say: Say) -> list[Contender]:
    """The engines of the plan in its forms, form by form, ours first."""
    chosen = set(plan.engines or ENGINES)
    forms = [form for form in Form if form in (plan.forms or Form)]
    found = [one for one in ours.CONTENDERS if ours.NAME in chosen]
    found += peers.contenders(chosen, forms, say) + jvm.contenders(chosen, forms, say)
    return [one for form in forms for one in found if one.form == form]


def run(plan: Plan, json_file: Path | None) -> None:
    """Measure, show the table, write the rows. Raises BenchError."""
    check_names("case", plan.cases, CASES)
    check_names("engine", plan.engines, (*ENGINES, *OPTIONAL))
    check_names("form", plan.forms, list(Form))

    def measure(say: Say) -> Samples:
        samples = Samples()
        with cluster() as broker:
            broker.warm_up(plan.warm_up_s)
            for name, case in CASES.items():
                if name in (plan.cases or CASES.keys() - NAMED_ONLY):
                    samples.merge(case(broker, plan, say))
        return samples

    show(measure, json_file, machine())
