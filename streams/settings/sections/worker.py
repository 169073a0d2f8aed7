"""How a worker process works: its place in the group, its batches and deadlines, and how it is observed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streams.settings.section import Section


class WorkerSettings(Section):
    """A worker's membership, batches and deadlines."""

    # --- Membership ---
    # Stable name of this worker (static membership): restarts within the session time-out move nothing.
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
