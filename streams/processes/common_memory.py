"""Memory that all processes of the group have in common, for whatever they share (see `streams.recommend.rows`)."""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)

# Two files without a name: no process that is killed leaves anything behind.
NAMES = ("interestflow-control", "interestflow-vectors")


def make() -> tuple[int, ...]:
    """Descriptors of the empty files, to be inherited; none where the system has no such files, or forbids them."""
    if not hasattr(os, "memfd_create"):
        return ()
    try:
        return tuple(os.memfd_create(name) for name in NAMES)
    except OSError as error:
        log.warning("each process keeps the vectors of the catalog for itself: %s", error)
        return ()
