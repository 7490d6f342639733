"""Which loader reads a file: built-in ones in a table, a lab's own by the entry point `neurodyn.loaders`."""

import functools
import importlib.metadata
import inspect as introspection
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import READ_ERRORS, existing_file, first_line, suffix_of, warn

if TYPE_CHECKING:
    import pandas
    import xarray

GROUP = "neurodyn.loaders"

BUILT_IN = {
    "nwb": "neurodyn.io.nwb:LOADER",
    "ieeg": "neurodyn.io.ieeg:LOADER",
    "recording": "neurodyn.io.saved:LOADER",
    "table": "neurodyn.io.table:LOADER",
    "array": "neurodyn.io.arrays:LOADER",
    "spikes": "neurodyn.io.spike_table:LOADER",
    "fmri": "neurodyn.io.fmri:LOADER",
}


@dataclass(frozen=True, kw_only=True)
class Loader:
    """One file format: how to recognise it, list it and read it.

    Parameters
    ----------
    name : str
        Registry key, the `loader=` of `read`.
    suffixes : tuple of str
        Usual file name endings, lower case with the dot; they only rank loaders that accept the content.
    sniff : callable
        `sniff(path) -> int`: 0 if the content is not of this format, 1 if it may be (any table, any
        array), 2 if it says that it is; cheap.
    inspect : callable
        `inspect(path) -> DataFrame` with the columns of `neurodyn.io.inspect`.
    read : callable
        `read(path, **options) -> xarray.Dataset` that passes `neurodyn.recording.check`.
    hint : str
        The options that tell this loader from others of the same file, for the message where several fit.
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[Path], int]
    inspect: Callable[[Path], "pandas.DataFrame"]
    read: Callable[..., "xarray.Dataset"]
    hint: str = ""


@functools.cache
def _built_in(name: str) -> Loader:
    """The loader object of a row of the built-in table."""
    return importlib.metadata.EntryPoint(name, BUILT_IN[name], GROUP).load()


def loaders() -> dict[str, Loader]:
    """All loaders by name; a broken plug-in is left out with a warning.

    Returns
    -------
    dict of str to Loader
        Built-in loaders first, then those of the entry-point group `neurodyn.loaders`.

    Examples
    --------
    >>> from neurodyn.io.registry import loaders
    >>> "nwb" in loaders()
    True
    """
    found = {name: _built_in(name) for name in BUILT_IN}
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            loader = point.load()
        except (*READ_ERRORS, NameError, SyntaxError) as error:
            warn(f"The loader plug-in {point.name!r} ({point.value}) is left out: {first_line(error)}")
            continue
        if not isinstance(loader, Loader):
            warn(
                f"The loader plug-in {point.name!r} ({point.value}) is left out: it is not a neurodyn.io.Loader."
            )
        elif point.name in found:
            warn(f"The loader plug-in {point.name!r} ({point.value}) is left out: the name is taken.")
        else:
            found[point.name] = loader
    return found


def _certainty(loader: Loader, path: Path) -> int:
    """How sure a loader is of the content; a plug-in that breaks here is skipped with a warning."""
    try:
        return int(loader.sniff(path))
    except READ_ERRORS as error:
        warn(f"The loader {loader.name!r} failed to look at {path} and is skipped: {first_line(error)}")
        return 0


def _accepting(path: Path) -> list[Loader]:
    """The loaders that are surest of a file's content; raises where there is none."""
    known = loaders()
    sure = {name: _certainty(loader, path) for name, loader in known.items()}
    if not any(sure.values()):
        existing_file(path)
        raise FileError(
            f"{path} is of no known format (its content was looked at, not only its name); known loaders: "
            f"{', '.join(known)}; name one with loader=..., or make an array of it and call neurodyn.recording.make."
        )
    return [known[name] for name, certainty in sure.items() if certainty == max(sure.values())]


def _understands(loader: Loader, options: dict) -> bool:
    """Whether a loader's `read` has all the named options."""
    parameters = introspection.signature(loader.read).parameters.values()
    if any(parameter.kind is introspection.Parameter.VAR_KEYWORD for parameter in parameters):
        return True
    return set(options) <= {parameter.name for parameter in parameters}


def find_loader(path: Path, options: dict, name: str | None = None) -> Loader:
    """The one loader for a file, whose options all exist: by name, else by content, ending and options."""
    if name is not None:
        known = loaders()
        if name not in known:
            raise ModelError(f"There is no loader {name!r}; known loaders: {', '.join(known)}.")
        loader = known[name]
    else:
        loader = _only(_accepting(path), path, options)
    if not _understands(loader, options):
        allowed = list(introspection.signature(loader.read).parameters)[1:]
        unknown = ", ".join(sorted(set(options) - set(allowed)))
        raise ModelError(
            f"The loader {loader.name!r} of {path} has no option {unknown}; it has: {', '.join(allowed)}."
        )
    return loader


def find_reader(path: Path, options: dict, name: str | None = None) -> Loader:
    """The loader of `find_loader`, once it is given every option it cannot do without."""
    loader = find_loader(path, options, name)
    about = _in_disguise(loader, path)
    parameters = list(introspection.signature(loader.read).parameters.values())[1:]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is p.KEYWORD_ONLY]
    missing = [needs for needs in needed if needs not in options]
    if missing:
        raise ModelError(
            f"{about or f'{path} is read by the loader {loader.name!r}'}, which needs the option "
            f"{' and '.join(missing)} that was not given: give {', '.join(f'{needs}=...' for needs in missing)}."
        )
    if about:
        warn(f"{about}.")
    return loader


def _in_disguise(loader: Loader, path: Path) -> str:
    """What a file is whose ending is that of another format, empty where name and content agree."""
    if suffix_of(path) in loader.suffixes or _certainty(loader, path) > 1:
        return ""
    others = [name for name, other in loaders().items() if suffix_of(path) in other.suffixes]
    return (
        f"{path} is not {others[0]} by its content; it is read by the loader {loader.name!r}"
        if others
        else ""
    )


def _only(candidates: list[Loader], path: Path, options: dict) -> Loader:
    """The candidate whose usual file endings and options fit; raises where several do."""
    for fits in (
        [loader for loader in candidates if suffix_of(path) in loader.suffixes],
        [loader for loader in candidates if _understands(loader, options)],
    ):
        candidates = [loader for loader in candidates if loader in fits] or candidates
    if len(candidates) > 1 and not any(_understands(loader, options) for loader in candidates):
        raise ModelError(_not_together(candidates, path, options))
    if len(candidates) > 1:
        candidates[0].inspect(path)  # a damaged file says so here, instead of being asked for options
        names = ", ".join(
            f"{loader.name} with {loader.hint}" if loader.hint else loader.name for loader in candidates
        )
        raise FileError(
            f"{path} can be read by several loaders ({names}); give those options, or name one with "
            f"loader={candidates[0].name!r}."
        )
    return candidates[0]


def _not_together(candidates: list[Loader], path: Path, options: dict) -> str:
    """Which options no loader of a file takes, or that none takes all of them."""
    names = " or ".join(repr(loader.name) for loader in candidates)
    unknown = [name for name in options if not any(_understands(loader, {name: 0}) for loader in candidates)]
    if not unknown:
        return (
            f"{path} can be read by {names}, but none of these loaders takes {', '.join(options)} together; leave one "
            "of these options out."
        )
    taken = " or ".join(
        f"{', '.join(list(introspection.signature(loader.read).parameters)[1:])} ({loader.name})"
        for loader in candidates
    )
    return (
        f"{path} can be read by {names}, none of which has the option {', '.join(unknown)}; leave it out, or give "
        f"one there is: {taken}."
    )


def read(path, *, loader: str | None = None, **options) -> "xarray.Dataset":
    """Read a lab's file into a recording, whatever its format.

    The loader is chosen by the file's content, then its name's ending, then the options given;
    options go to that loader: see `read_nwb`, `read_fmri`, `read_ieeg`, `read_table`,
    `read_spike_table`, `read_array`.

    Parameters
    ----------
    path : path-like
        The file.
    loader : str, optional
        Name of the loader, where the choice is not clear.
    **options
        Options of the loader.

    Returns
    -------
    xarray.Dataset
        A recording, `activity` on (time, unit) or (trial, time, unit), in SI units.

    Raises
    ------
    FileError
        The file is missing, empty, a directory, damaged, or of no known or of an ambiguous format.

    Examples
    --------
    >>> import numpy, tempfile, pathlib
    >>> from neurodyn.io import read
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "rates.npy"
    >>> numpy.save(path, numpy.zeros((100, 3)))
    >>> dict(read(path, sampling_interval=0.1, loader="array").sizes)
    {'time': 100, 'unit': 3}
    """
    path = existing_file(path, folder=True)
    return find_reader(path, options, loader).read(path, **options)


def inspect(path, *, loader: str | None = None) -> "pandas.DataFrame":
    """What is in this file, as a table: a person's first question.

    Parameters
    ----------
    path : path-like
        The file.
    loader : str, optional
        Name of the loader, where the choice is not clear.

    Returns
    -------
    pandas.DataFrame
        One row per item: `kind`, `name` (as the loader's options take it), `shape`, `rate` (Hz),
        `unit` (as the file states it), `duration` (s) and `note`.

    Raises
    ------
    FileError
        The file is missing, empty, a directory, damaged or of no known format.

    Examples
    --------
    >>> import numpy, tempfile, pathlib
    >>> from neurodyn.io import inspect
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "rates.npy"
    >>> numpy.save(path, numpy.zeros((100, 3)))
    >>> inspect(path)["shape"][0]
    (100, 3)
    """
    path = existing_file(path, folder=True)
    if loader is not None:
        return find_loader(path, {}, loader).inspect(path)
    chosen = min(_accepting(path), key=lambda candidate: suffix_of(path) not in candidate.suffixes)
    about = _in_disguise(chosen, path)
    if about:
        warn(f"{about}.")
    return chosen.inspect(path)
