"""Processes that end when their parent ends, however it ends (Linux; elsewhere without effect)."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence

# Exec in place, so that the pid stays; the kernel ends the process when its parent dies.
SCRIPT = (
    "import ctypes, os, signal, sys\n"
    "PR_SET_PDEATHSIG = 1\n"
    "ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit('parent is gone')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


def end_with_parent(command: Sequence[str]) -> list[str]:
    """The command, changed so that its process ends with this one; its program must be a path."""
    # The kernel watches the thread that started the process, so it must be one that lives as long as this process.
    if sys.platform == "linux" and threading.current_thread() is threading.main_thread():
        return [sys.executable, "-S", "-E", "-c", SCRIPT, str(os.getpid()), *command]
    return list(command)
