"""What every loader needs to know of a file: is it there, what is in it, does it stay in its folder."""

import contextlib
import difflib
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurodyn.errors import FileError, ModelError, NeurodynWarning, NotApplicable, RecordingError

if TYPE_CHECKING:
    import pandas

COLUMNS = ("kind", "name", "shape", "rate", "unit", "duration", "note")

READ_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a format library may raise on a file that is damaged or not of its format."""


def existing_file(path, *, folder: bool = False) -> Path:
    """Return `path` as a Path to a file with content, or raise; `folder` allows a directory."""
    path = Path(path).expanduser()
    if not path.exists():
        near = []
        if path.parent.is_dir():
            near = difflib.get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=3)
            place = "the current folder" if path.parent == Path() else f"the folder {path.parent}"
            hint = f"did you mean {', '.join(near)}?" if near else f"{place} has none of this or a like name."
        else:
            hint = f"the folder {path.parent} does not exist either."
        raise FileError(f"There is no file at {path}: {hint}")
    if path.is_dir():
        if folder:
            return path
        inside = sorted(other.name for other in path.iterdir())
        listed = ", ".join(inside[:5]) + (" ..." if len(inside) > 5 else "")
        raise FileError(f"{path} is a directory; give one of its {len(inside)} files: {listed or '(empty)'}.")
    if path.stat().st_size == 0:
        raise FileError(f"{path} is empty (0 bytes); fetch it again.")
    return path


def cut_interval(interval, start: float, stop: float, where) -> tuple[float, float]:
    """An interval in seconds, None for an open end, cut to what a file holds; refused where that is nothing."""
    first, last = (
        held if end is None else float(end) for end, held in zip(interval, (start, stop), strict=True)
    )
    if not last > first:
        raise ModelError(
            f"The interval from {first:g} to {last:g} s does not stop after it starts; {where} goes from {start:.6g} "
            f"to {stop:.6g} s."
        )
    if first >= stop or last <= start:
        raise FileError(
            f"The interval from {first:g} to {last:g} s lies outside {where}, which goes from {start:.6g} to "
            f"{stop:.6g} s; give an interval within that, in seconds."
        )
    kept = max(first, start), min(last, stop)
    slack = 1e-6 * max(1.0, abs(start), abs(stop))
    if kept[0] - first > slack or last - kept[1] > slack:
        warn(
            f"The interval from {first:g} to {last:g} s is cut to {kept[0]:.6g} to {kept[1]:.6g} s, because {where} "
            f"goes from {start:.6g} to {stop:.6g} s."
        )
    return kept


def head(path: Path, size: int = 512) -> bytes:
    """First bytes of a file, enough to know its format."""
    with path.open("rb") as stream:
        return stream.read(size)


def is_hdf5(path: Path) -> bool:
    """Whether a file has the HDF5 signature, at its start or after a user block as MATLAB 7.3 writes."""
    if not path.is_file():
        return False
    start = head(path, 2056)
    return any(start[offset : offset + 8] == b"\x89HDF\r\n\x1a\n" for offset in (0, 512, 1024, 2048))


def is_text(path: Path) -> bool:
    """Whether the first bytes of a file are text."""
    if not path.is_file():
        return False
    start = head(path, 4096)
    return bool(start) and b"\x00" not in start and sum(byte < 9 for byte in start) == 0


def suffix_of(path: Path) -> str:
    """Lower-case suffix, with the compression suffix kept: `.nii.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        return "".join(suffixes[-2:])
    return suffixes[-1] if suffixes else ""


def inside_folder(named: str | Path, folder: Path, *, source: Path) -> Path:
    """Path that a file's own content names, refused when it leaves the file's folder."""
    text = str(named)
    if "://" in text:
        raise FileError(f"{source} refers to the address {text!r}, which is not followed; fetch it yourself.")
    target = (folder / text.replace("\\", "/")).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise FileError(
            f"{source} refers to {text!r}, outside its own folder, which is refused; "
            "move the file beside it and correct the reference."
        )
    return target


@contextlib.contextmanager
def reading(path: Path, format_name: str, errors: tuple = READ_ERRORS) -> Iterator[None]:
    """Turn what a format library raises (`errors`) into one sentence; our own errors pass through."""
    try:
        yield
    except (FileError, ModelError, RecordingError, NotApplicable):
        raise
    except MemoryError as error:
        raise FileError(f"{path} does not fit in memory as {format_name}; read a part of it.") from error
    except errors as error:
        if isinstance(error, OSError) and "truncated file" in str(error):
            raise FileError(
                f"{path} cannot be read as {format_name}: it is truncated, only {path.stat().st_size:,} bytes are there; "
                "copy or download the whole file again."
            ) from error
        raise FileError(
            f"{path} cannot be read as {format_name} (truncated or damaged? copy the file again): {first_line(error)}"
        ) from error


def first_line(error: BaseException) -> str:
    """One line telling an exception, with its class."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else 'no message'}"


def warn(message: str) -> None:
    """Tell the user something that belongs into the report."""
    warnings.warn(message, NeurodynWarning, stacklevel=3)


def contents(rows: Iterable[Mapping[str, Any]]) -> "pandas.DataFrame":
    """Table of what a file holds, with the columns every loader's `inspect` has."""
    import pandas

    table = pandas.DataFrame(
        [{name: row.get(name) for name in COLUMNS} for row in rows], columns=list(COLUMNS)
    )
    for name in ("rate", "duration"):
        table[name] = pandas.to_numeric(table[name])
    for name in ("kind", "name", "unit", "note"):
        table[name] = table[name].fillna("").astype(str)
    return table


def listing(rows: Iterable[Mapping[str, Any]], limit: int = 8) -> str:
    """The same in words, for an error message."""
    rows = list(rows)
    words = [f"{row['kind']} {row['name']!r}" for row in rows[:limit]]
    more = f" and {len(rows) - limit} more" if len(rows) > limit else ""
    return (", ".join(words) + more) if words else "nothing"
