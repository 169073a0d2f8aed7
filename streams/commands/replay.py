"""`interestflow replay`: the history folded again, and compared with what was published."""

from __future__ import annotations

import typer

from streams.commands.common import Config, Servers, fail, load_settings, or_exit


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
            fail(f"the replay differs from what was published, for example for {examples}", 1)

    or_exit(run)
