"""What each process is told of its own, and what may be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streams.processes import cores, group
from streams.processes.own_settings import environment
from streams.settings.configuration import load
from streams.settings.settings import Settings, SettingsError


def test_names_and_folders_are_each_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        'processes = 2\ngroup_instance_id = "shop"\nsnapshot_dir = "snapshots"\nencoder_cache_dir = "cache"\n'
    )
    own = environment(load(file, kafka_bootstrap_servers="broker:1"), 2)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.worker.processes == 1
    assert settings.worker.group_instance_id == "shop-2"
    assert settings.memory.snapshot_dir == Path("snapshots/process-2")
    assert settings.encoder.cache_dir == Path("cache/process-2")
    assert settings.kafka.bootstrap_servers == "broker:1"


def test_what_is_not_set_is_set_for_no_process() -> None:
    assert (
        not {"INTERESTFLOW_GROUP_INSTANCE_ID", "INTERESTFLOW_SNAPSHOT_DIR"}
        & environment(Settings(), 1).keys()
    )


@pytest.mark.parametrize(("given", "taken"), [("3", 3), (" 4 ", 4), (2, 2), ("auto", "auto")])
def test_a_number_or_auto_is_taken(given: Any, taken: Any) -> None:
    assert Settings(processes=given).worker.processes == taken


@pytest.mark.parametrize("given", ["0", 0, "-1", "many", 1.5, "513", True])
def test_anything_else_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError, match="give a number from 1 to 512, or auto"):
        Settings(processes=given)


def test_a_wrong_number_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="INTERESTFLOW_PROCESSES: give a number"):
        load(processes="many")


def test_auto_is_one_per_core_but_no_more_than_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable", lambda: 3)
    assert group.size(Settings(processes="auto", partitions=8)) == 3
    assert group.size(Settings(processes="auto", partitions=2)) == 2
    assert group.size(Settings(processes=5, partitions=2)) == 5
    assert group.size(Settings()) == 1
