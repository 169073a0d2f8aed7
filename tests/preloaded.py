"""What a process has loaded before tests fork workers from it. It has started no thread of ours."""

from __future__ import annotations

import gc

import aiokafka  # noqa: F401
import prometheus_client  # noqa: F401

import streams.commands.main
import streams.settings.configuration
import streams.wiring.worker  # noqa: F401
from streams.kernels.compiling import compiled

compiled()
# Nothing of it is garbage, and a collection in a fork would copy all its pages.
gc.collect()
gc.freeze()
