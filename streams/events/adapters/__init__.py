"""One file per foreign format of behaviour events, and their list."""

from streams.events.adapters.base import Adapter
from streams.events.adapters.cloudevents import CloudEventsAdapter
from streams.events.adapters.native import NativeAdapter

ADAPTERS: dict[str, type[Adapter]] = {
    "native": NativeAdapter,
    "cloudevents": CloudEventsAdapter,
}


def adapter(name: str) -> Adapter:
    """The adapter of a format. Raises ValueError that names the known ones."""
    if name not in ADAPTERS:
        raise ValueError(f"no format {name!r}; there are: {', '.join(ADAPTERS)}, canonical")
    return ADAPTERS[name]()


__all__ = ["ADAPTERS", "Adapter", "adapter"]
