"""What each process is told of its own, so that two never write to one file or take one name."""

from __future__ import annotations

from pathlib import Path

from streams.settings.section import ENV_PREFIX
from streams.settings.settings import Settings


def environment(settings: Settings, number: int) -> dict[str, str]:
    """Environment variables of process `number` (from 1) beside those of the command; they win over its file.

    Evicted users need nothing: each process makes a folder of its own in INTERESTFLOW_EVICTED_DIR.
    """
    own = {
        "processes": "1",
        "kafka_bootstrap_servers": settings.kafka.bootstrap_servers,
        "log_level": settings.observation.log_level,
    }
    if settings.worker.group_instance_id is not None:
        own["group_instance_id"] = f"{settings.worker.group_instance_id}-{number}"
    for name, folder in (
        ("snapshot_dir", settings.memory.snapshot_dir),
        ("encoder_cache_dir", settings.encoder.cache_dir),
    ):
        if folder is not None:
            own[name] = str(own_folder(folder, number))
    return {ENV_PREFIX + name.upper(): value for name, value in own.items()}


def own_folder(folder: Path, number: int) -> Path:
    """The folder of process `number` in one that the settings name."""
    return folder / f"process-{number}"
