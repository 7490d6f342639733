"""Options that say how a file is read, shared by the commands that read one."""

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray

READ = "How to read the file"


def _option(*names: str, text: str, metavar: str | None = None) -> Any:
    """An option of the group on reading."""
    return typer.Option(*names, help=text, rich_help_panel=READ, metavar=metavar)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A file and the options it is read with, as given on the command line."""

    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Recording: NWB, NIfTI, EEG/iEEG, a table, an array.")
    ]
    loader: Annotated[
        str | None, _option("--loader", text="Name of the loader, where the choice is not clear.")
    ] = None
    bin_width: Annotated[float | None, _option("--bin-width", text="Bin width of spikes in seconds.")] = None
    interval: Annotated[
        str | None, _option("--interval", text="Seconds to keep, such as 670:1200.", metavar="START:STOP")
    ] = None
    series: Annotated[str | None, _option("--series", text="Series of an NWB file (see inspect).")] = None
    trials: Annotated[bool, _option("--trials", text="Cut an NWB file into the trials of its table.")] = False
    window: Annotated[
        str | None, _option("--window", text="Seconds around each trial's start.", metavar="START:STOP")
    ] = None
    tr: Annotated[float | None, _option("--tr", text="Repetition time of fMRI in seconds.")] = None
    atlas: Annotated[Path | None, _option("--atlas", text="Label image: average fMRI over its regions.")] = (
        None
    )
    mask: Annotated[Path | None, _option("--mask", text="Image of the voxels to keep.")] = None
    labels: Annotated[
        Path | None, _option("--labels", text="Condition (and run) of each volume; runs become trials.")
    ] = None
    confounds: Annotated[
        Path | None, _option("--confounds", text="Table of confounds, one row per volume.")
    ] = None
    picks: Annotated[
        str | None, _option("--picks", text="Channels or types, with commas: eeg, or C3,C4.")
    ] = None
    band_pass: Annotated[
        str | None, _option("--band-pass", text="Pass band in Hz, such as 8:13.", metavar="LOW:HIGH")
    ] = None
    envelope: Annotated[bool, _option("--envelope", text="Amplitude envelope of the pass band.")] = False
    notch: Annotated[
        float | None, _option("--notch", text="Frequency of the mains in Hz, to be removed.")
    ] = None
    resample: Annotated[float | None, _option("--resample", text="New sampling rate in Hz.")] = None
    sampling_interval: Annotated[
        float | None, _option("--sampling-interval", text="Seconds per row of a bare array.")
    ] = None
    option: Annotated[
        list[str] | None,
        _option("--option", text="Any other option of the loader, may be repeated.", metavar="NAME=VALUE"),
    ] = None

    def options(self) -> dict[str, Any]:
        """Arguments of the loader, without `interval`, which every recording understands."""
        named = {
            "bin_width": self.bin_width,
            "series": self.series,
            "trials": self.trials or None,
            "window": None if self.window is None else pair("--window", self.window),
            "repetition_time": self.tr,
            "atlas": self.atlas,
            "mask": self.mask,
            "volume_labels": self.labels,
            "confounds": self.confounds,
            "picks": None if self.picks is None else _words(self.picks),
            "band_pass": None if self.band_pass is None else pair("--band-pass", self.band_pass),
            "envelope": self.envelope or None,
            "notch": self.notch,
            "resample": self.resample,
            "sampling_interval": self.sampling_interval,
        }
        given = {name: value for name, value in named.items() if value is not None}
        for item in self.option or ():
            name, equals, value = item.partition("=")
            if not equals or not name:
                raise typer.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="--option")
            given[name.strip().replace("-", "_")] = literal(value)
        return given

    def read(self) -> "xarray.Dataset":
        """The recording."""
        from neurodyn.io.files import cut_interval, existing_file
        from neurodyn.io.registry import find_reader
        from neurodyn.recording import restrict

        path = existing_file(self.file, folder=True)
        given = self.options()
        wanted = None if self.interval is None else pair("--interval", self.interval)
        loader = find_reader(path, given, self.loader)
        if wanted is not None and "interval" in inspect.signature(loader.read).parameters:
            return loader.read(path, interval=wanted, **given)
        recording = loader.read(path, **given)
        if wanted is None:
            return recording
        first = float(recording["time"].values[0])
        last = float(recording["time"].values[-1]) + float(recording.attrs["sampling_interval"])
        return restrict(recording, [cut_interval(wanted, first, last, path)])


def pair(name: str, value: str) -> tuple[Any, Any]:
    """Two numbers with a colon between; either may be left out where that has a meaning."""
    first, colon, second = value.partition(":")
    try:
        numbers = tuple(float(part) if part.strip() else None for part in (first, second))
    except ValueError:
        numbers = ()
    if not colon or len(numbers) != 2 or numbers == (None, None):
        raise typer.BadParameter(f"{value!r} is not two numbers with a colon, such as 8:13", param_hint=name)
    return numbers[0], numbers[1]


def literal(value: str) -> Any:
    """A value from the command line: JSON where it is, else text; commas make a list."""
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value.split(",") if "," in value else value


def _words(value: str) -> Any:
    """One word, or a list of them."""
    return value.split(",") if "," in value else value


def with_source(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that takes `source` the options of a `Source` in its place."""
    own = inspect.signature(command)
    fields = inspect.signature(Source).parameters
    kept = [parameter for parameter in own.parameters.values() if parameter.name != "source"]
    hints = {field.name: field.type for field in dataclasses.fields(Source)}
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=p.default, annotation=hints[name])
        for name, p in fields.items()
    ]
    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept]
    # The file is the one argument without a default and comes first; reading options come last in the help.
    merged = [shared[0], *kept, *shared[1:]]

    @functools.wraps(command)
    def run(**kwargs: Any) -> Any:
        source = Source(**{name: kwargs.pop(name) for name in fields})
        return command(source=source, **kwargs)

    run.__signature__ = own.replace(parameters=merged)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in merged}
    return run
