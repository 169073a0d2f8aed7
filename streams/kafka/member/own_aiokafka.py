"""aiokafka's consumer, loaded a second time: what we replace in this one, no other consumer of the process gets.

aiokafka has no setting for its fetcher, its client or its coordinator; Faust has none for its consumer.
"""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as faust_driver


def _again(name: str) -> Any:
    """The module, apart from the one that everybody imports."""
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} cannot be loaded a second time", name=name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


consumer = _again("aiokafka.consumer.consumer")
fetcher = _again("aiokafka.consumer.fetcher")


class _WithOwnConsumer(ModuleType):
    """aiokafka as Faust's driver sees it."""

    AIOKafkaConsumer = consumer.AIOKafkaConsumer

    def __getattr__(self, name: str) -> Any:
        return getattr(aiokafka, name)


def register() -> None:
    """Make Faust use it."""
    faust_driver.aiokafka = _WithOwnConsumer(aiokafka.__name__)
