"""The Faust agents: take a batch, call the pipeline; it publishes and acknowledges."""

from __future__ import annotations

from typing import Any

from streams.settings.settings import Settings
from streams.worker.pipeline import Pipeline


def register(app: Any, pipeline: Pipeline, settings: Settings) -> None:
    """Give the Faust app its agents. `noack`: a batch is acknowledged when its deliveries are, not before."""

    @app.agent(app.topic(settings.topic_items), name="catalog")  # type: ignore[untyped-decorator]  # Faust ships no types
    async def catalog(stream: Any) -> None:
        async for event in stream.noack().events():
            await pipeline.catalogue(event)

    @app.agent(app.topic(settings.events_topic), name="update")  # type: ignore[untyped-decorator]
    async def update(stream: Any) -> None:
        async for event in stream.noack().events():
            await pipeline.update(event)

    if settings.raw_sources:
        topics = [source.topic for source in settings.raw_sources]

        @app.agent(app.topic(*topics), name="ingest")  # type: ignore[untyped-decorator]
        async def ingest(stream: Any) -> None:
            async for event in stream.noack().events():
                await pipeline.ingest(event)
