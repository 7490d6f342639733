"""The command line: `neurodyn inspect | fit | compare | demo | cite`."""

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGINT, _interrupted)
    try:
        from neurodyn.cli.app import app

        app()
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            _leave_at_once()
        raise


def _interrupted(number: int, frame: FrameType | None) -> None:
    """End at once on Ctrl-C; a KeyboardInterrupt raised amid the imports of a library may be swallowed by it."""
    os.write(2, b"neurodyn: interrupted; nothing more is written.\n")
    _leave_at_once()


def _leave_at_once() -> NoReturn:
    """End the process without the interpreter's teardown, which crashes where a compiler thread is still at work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        # A reader that went away, or a line half-way written, must not change the exit code.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            stream.flush()
    os._exit(INTERRUPTED)


__all__ = ["main"]
