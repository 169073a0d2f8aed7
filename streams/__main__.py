"""Entry point of `interestflow` and of `python -m streams`: quiet from the first moment. Verbs: streams.commands."""

from __future__ import annotations

import signal

from streams.ops.process_start import leave_at_once, spare_collector


def main() -> None:
    """Take the command line; what is imported for it takes a second or more."""
    spare_collector()
    # Whoever started us may have said that interrupts are none of our business.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave_at_once)
    from streams.commands.main import app

    app()


if __name__ == "__main__":
    main()
