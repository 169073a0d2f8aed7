"""The Faust agents: each takes a batch of its topics, and has the runner run its stage."""

from __future__ import annotations

from typing import Any

from streams.settings.settings import Settings
from streams.worker.runner import Runner
from streams.worker.stages.catalog import CatalogStage
from streams.worker.stages.ingest import Ingest
from streams.worker.stages.outputs import Stage
from streams.worker.stages.update import Update


def register(
    app: Any, runner: Runner, settings: Settings, ingest: Ingest, update: Update, catalog: CatalogStage
) -> None:
    """Give the Faust app its agents."""
    _agent(app, runner, catalog, [settings.topics.items])
    _agent(app, runner, update, [settings.topics.canonical])
    if settings.topics.raw_sources:
        _agent(app, runner, ingest, [source.topic for source in settings.topics.raw_sources])


def _agent(app: Any, runner: Runner, stage: Stage, topics: list[str]) -> None:
    @app.agent(app.topic(*topics), name=stage.name)  # type: ignore[untyped-decorator]  # Faust ships no types
    async def agent(stream: Any) -> None:
        # `noack`: a batch is acknowledged when its deliveries are, not before.
        async for event in stream.noack().events():
            await runner.run(stage, event)
