"""Progress bars on standard error, and Ctrl-C that ends the work but keeps its result."""

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Bar:
    """One line of a progress display.

    The line of the whole work passes an interrupt on at its next report, because a fit that is interrupted keeps its
    best and returns as if nothing had happened; the line of that fit must not interrupt it a second time.
    """

    def __init__(self, display: Any, task: Any, stop: "Interrupt", *, passes_on: bool):
        self._display, self._task, self._stop, self._passes_on = display, task, stop, passes_on

    def update(self, fraction: float, text: str) -> None:
        """Show how far the work has come.

        Parameters
        ----------
        fraction : float
            Between 0 and 1, NaN where the end is not known.
        text : str
            What is being done.

        Raises
        ------
        KeyboardInterrupt
            If Ctrl-C was pressed and the work that caught it went on to its next part.
        """
        known = math.isfinite(fraction)
        self._display.update(
            self._task,
            completed=fraction if known else 0.0,
            total=1.0 if known else None,
            description=text,
            visible=True,
        )
        if self._passes_on and self._stop.pressed:
            raise KeyboardInterrupt


class Interrupt:
    """Remembers the first Ctrl-C; the second goes to the handler from before, which ends the program at once."""

    def __init__(self) -> None:
        self.pressed = False
        self.before: Any = signal.default_int_handler

    def __call__(self, number: int, frame: Any) -> None:
        """Handle the signal."""
        self.pressed = True
        signal.signal(signal.SIGINT, self.before)
        raise KeyboardInterrupt


@contextmanager
def bars() -> Iterator[tuple[Bar, Bar, Interrupt]]:
    """Two lines, one for the whole work and one for the fit in hand, and the state of Ctrl-C."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    stop = Interrupt()
    main = threading.current_thread() is threading.main_thread()
    if main:
        stop.before = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, stop)
    console = Console(stderr=True)
    shown = console.is_terminal
    display = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not shown,
    )
    try:
        with display:
            whole = display.add_task("", total=1.0, visible=False)
            part = display.add_task("", total=1.0, visible=False)
            yield (
                Bar(display, whole, stop, passes_on=True),
                Bar(display, part, stop, passes_on=False),
                stop,
            )
    finally:
        if main:
            signal.signal(signal.SIGINT, stop.before)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """A spinner for work that does not report how far it is."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield
