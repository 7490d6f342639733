"""Exit codes, and one sentence in place of a traceback."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from neurodyn.cli import INTERRUPTED

OK, ERROR, USAGE = 0, 1, 2
EPILOG = (
    "Exit codes: 0 done; 1 the data or an argument is at fault (one sentence says how); 2 wrong usage; "
    "130 interrupted, with what was finished written."
)


def guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn errors of data and arguments into a sentence and exit code 1; `--debug` shows the traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        import typer

        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            say("interrupted before there was anything to write.")
            raise typer.Exit(INTERRUPTED) from None
        except (ValueError, OSError, ImportError, MemoryError, RuntimeError) as error:
            # click's own exceptions are RuntimeErrors, and they carry their exit codes.
            if type(error).__module__.partition(".")[0] in ("click", "typer") or kwargs.get("debug"):
                raise
            say(sentence(error))
            raise typer.Exit(ERROR) from error

    run.__signature__ = inspect.signature(command)  # type: ignore[attr-defined]
    return run


def sentence(error: BaseException) -> str:
    """An error as one line; foreign ones with their class, and the way to the traceback."""
    from neurodyn.cli.spelling import on_command_line
    from neurodyn.errors import FileError, ModelError, NotApplicable, RecordingError

    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, (FileError, ModelError, NotApplicable, RecordingError)):
        return on_command_line(text)
    return f"{type(error).__name__}: {text} (--debug shows where)"


def say(text: str) -> None:
    """Write a line to standard error."""
    import typer

    typer.echo(f"neurodyn: {text}", err=True)
