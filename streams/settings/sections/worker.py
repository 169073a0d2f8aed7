"""How a worker process works: its place in the group, its batches and deadlines, and how it is observed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from streams.settings.section import Section

AUTO, MOST_PROCESSES = "auto", 512


def _processes(given: object) -> object:
    if isinstance(given, str) and given.strip().isdigit():
        given = int(given)
    if given != AUTO and not (type(given) is int and 1 <= given <= MOST_PROCESSES):
        raise ValueError(
            f"give a number from 1 to {MOST_PROCESSES}, or {AUTO} for as many as there are usable cores"
        )
    return given


class WorkerSettings(Section):
    """A worker's membership, batches and deadlines."""

    # --- Processes ---
    # Workers that one command runs side by side, each in a process of its own; auto for one per usable core, but no
    # more than partitions. What is said of a worker (users in memory, encoder threads, disk) holds for each of them.
    processes: Annotated[int | str, BeforeValidator(_processes)] = 1

    # --- Membership ---
    # Stable name of this worker (static membership): restarts within the session time-out move nothing. With several
    # processes each adds its number: NAME-1, NAME-2.
    group_instance_id: str | None = None
    # Seconds without a heartbeat until the group gives a worker's partitions away; longer than a GC pause.
    session_timeout_s: float = Field(default=30.0, ge=6.0)

    # --- Throughput and latency ---
    # Events fetched into one partition batch at most; larger is faster, smaller is smoother.
    batch_events: int = Field(default=4000, ge=1, le=100_000)
    # Batches of a partition whose deliveries may be outstanding.
    batches_in_flight: int = Field(default=4, ge=1, le=64)
    # Seconds between commits of the consumer group (the changelog, not the group offset, is the truth).
    commit_interval_s: float = Field(default=2.0, gt=0)
    # Decode and fold with compiled code (numba, compiled at the first start); false does the same in numpy, at four
    # times the cost.
    compiled: bool = True

    # --- Deadlines ---
    # Seconds that recovery of the state may take before the worker gives up.
    recovery_deadline_s: float = Field(default=600.0, gt=0)
    # Seconds that brokers or encoder may be away, asked again and again, before the worker ends (exit status 70, at
    # the start 1). Longer than a broker's restart; whoever runs the worker starts it again.
    retry_deadline_s: float = Field(default=300.0, gt=0)
    # Seconds that a graceful shutdown may take before a hard exit.
    shutdown_deadline_s: float = Field(default=30.0, gt=0)


class ObservationSettings(Section):
    """Where a worker shows its metrics, and how much it logs."""

    # Port of /metrics, /livez, /readyz; 0 picks a free one.
    metrics_port: int = Field(default=9464, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
