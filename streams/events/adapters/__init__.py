"""One file per format of behaviour events that producers write. Knows no topics and no client of Kafka."""

from streams.events.adapters.base import Adapter
from streams.settings.registries import FORMATS
from streams.settings.settings import Settings


def adapter(name: str, settings: Settings | None = None) -> Adapter:
    """The adapter of a format, by default for the default settings. Raises RegistryError that names the known ones."""
    made: Adapter = FORMATS.build(name, settings or Settings())
    return made


__all__ = ["FORMATS", "Adapter", "adapter"]
