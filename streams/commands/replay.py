"""`interestflow replay`: the history folded again, and compared with what was published."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from streams.commands.common import Config, Servers, fail, load_settings, or_exit

EXCEPTION = (
    ". A replay uses the items as they are now: where an item has another title or text since, the vectors of its "
    "users differ, which is no fault (docs/guarantees.md names the exceptions)"
)


def verify_replay(config: Config = None, bootstrap_servers: Servers = None) -> None:
    """Fold the whole event history again, in this process, and compare with the published vectors.

    Exit status 1 where a vector differs in a single bit. Example: interestflow replay
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.history.replay import verify

    def run() -> None:
        verdict = verify(settings)
        typer.echo(
            f"replay: events={verdict.events} users={verdict.users} differing={len(verdict.differing)} "
            f"missing={len(verdict.missing)}"
        )
        if not verdict.equal:
            examples = ", ".join([*verdict.differing, *verdict.missing][:5])
            problem = f"the replay differs from what was published, for example for {examples}"
            fail(problem + gone(settings.topics.canonical, verdict.begins) + EXCEPTION, 1)

    or_exit(run)


def gone(topic: str, begins: Mapping[int, int]) -> str:
    """What to know of a topic of which records were removed; empty where none were."""
    if not begins:
        return ""
    shown = ", ".join(f"partition {number} begins at offset {start}" for number, start in begins.items())
    return (
        f"; records of {topic} were removed ({shown}), and users with events there cannot be replayed: "
        "set retention.ms=-1 on the topic to keep them"
    )
