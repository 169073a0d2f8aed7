"""Entry point of `interestflow` and of `python -m streams`: quiet from the first moment. Verbs: streams.commands."""

from __future__ import annotations

import signal

from streams.ops.interrupt import leave_at_once


def main() -> None:
    """Take the command line; what is imported for it takes a second or more."""
    # Whoever started us may have said that interrupts are none of our business.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave_at_once)
    from streams.commands.main import app

    app()


if __name__ == "__main__":
    main()
