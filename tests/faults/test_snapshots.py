"""Snapshots that are damaged while no worker runs: each is told, and the whole changelog read instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.faults.deployment import RATE, Deploy, Deployment, until
from tests.faults.trials import Fault, run, trials

VERSION_AT = 8


def truncate(file: Path, rng: Random) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: rng.randrange(len(data))])


def flip(file: Path, rng: Random) -> None:
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def another_version(file: Path, rng: Random) -> None:
    data = bytearray(file.read_bytes())
    data[VERSION_AT] += rng.randint(1, 100)
    file.write_bytes(data)


def damaged(damage: Callable[[Path, Random], None]) -> Callable[[Deployment, Random], None]:
    """A trial that kills a worker while events come, damages its snapshots, and starts it again."""

    def trial(deployment: Deployment, rng: Random) -> None:
        crew, folder = deployment.crew, deployment.settings.memory.snapshot_dir
        assert folder is not None
        with deployment.load.flowing(RATE):
            until(lambda: len(own_files(deployment, folder)) == deployment.partitions, "snapshots")
            crew.kill("a")
            log = crew.folder / "a.log"
            before = len(log.read_text(errors="replace"))
            for file in own_files(deployment, folder):
                damage(file, rng)
            crew.start("a")
            until(lambda: said(log, before, "recovered"), "the next worker")
        assert said(log, before, "is ignored") == deployment.partitions, "damage went unnoticed"
        assert not said(log, before, "of a snapshot,"), "a damaged snapshot was used"

    return trial


def own_files(deployment: Deployment, folder: Path) -> list[Path]:
    """The deployment's snapshots; others' lie there, too."""
    return list(folder.glob(f"{deployment.settings.topics.state}-*.snapshot"))


def said(log: Path, since: int, words: str) -> int:
    return log.read_text(errors="replace")[since:].count(words)


def test_snapshots_that_are_damaged(deploy: Deploy, tmp_path: Path) -> None:
    kinds = {"cut short": truncate, "with a bit flipped": flip, "of another version": another_version}
    faults = [Fault(f"snapshot {name}", damaged(damage)) for name, damage in kinds.items()]
    deployments = [deploy("a", snapshot_dir=tmp_path / "snapshots", snapshot_interval_s=0.2)]
    run(faults, trials(50, 2), deployments)
