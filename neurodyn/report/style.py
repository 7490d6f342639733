"""How the figures look: palette, sizes and quiet axes, set figure by figure and never globally."""

import base64
import functools
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Paul Tol's "muted" and "bright" qualitative sets, distinguishable with every common colour blindness.
STATES = (
    "#332288",
    "#CC6677",
    "#44AA99",
    "#DDCC77",
    "#88CCEE",
    "#882255",
    "#117733",
    "#AA4499",
    "#999933",
    "#4477AA",
    "#EE6677",
    "#228833",
    "#66CCEE",
    "#CCBB44",
)
INK, QUIET, FAINT, MISSING = "#1c2733", "#5b6875", "#dfe4e9", "#c9ccd1"
ACCENT, FLOOR, CEILING, NULL = "#0b5fa5", "#7a8691", "#117733", "#b0653a"
DIVERGING, SEQUENTIAL, MOVES = "RdBu_r", "cividis", "Blues"
TEXT, SMALL = 9.0, 8.0
NARROW = 5.0


def state_colour(index: int) -> str:
    """Colour of a state by its position; repeats after fourteen."""
    return STATES[index % len(STATES)]


@functools.cache
def _picture() -> "type[Figure]":
    """A class of figures that show themselves in notebooks and galleries without pyplot."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure with an inline image."""

        def _repr_html_(self) -> str:
            """The figure as an inline image."""
            return f'<img alt="figure" style="max-width:100%" src="data:image/png;base64,{png(self)}">'

    return Picture


def new_figure(width: float, height: float) -> "Figure":
    """A figure of its own, unknown to pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if not 1.5 <= width <= 40:
        raise ModelError(f"width is {width!r}; give the figure's width in inches, from 1.5 to 40.")
    figure = _picture()(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05))
    figure.set_facecolor("white")
    FigureCanvasAgg(figure)
    return figure


def tidy(
    axes: "Axes", *, x: str = "", y: str = "", title: str = "", frame: Sequence[str] = ("left", "bottom")
) -> None:
    """Label axes and take away what carries no information."""
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(side in frame)
        axes.spines[side].set_color(QUIET)
        axes.spines[side].set_linewidth(0.8)
    axes.tick_params(labelsize=SMALL, colors=QUIET, labelcolor=INK, width=0.8, length=3)
    if x:
        axes.set_xlabel(x, fontsize=TEXT, color=INK)
    if y:
        axes.set_ylabel(y, fontsize=TEXT, color=INK)
    if title:
        axes.set_title(title, fontsize=TEXT, color=INK, loc="left", fontweight="bold")


def png(figure: Any, *, dpi: float = 160, colours: int = 256) -> str:
    """A figure as a palette PNG in base64, a quarter of the size of a true-colour one."""
    from PIL import Image

    raw, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", dpi=dpi)
    raw.seek(0)
    with Image.open(raw) as image:
        small = image.convert("RGB").quantize(colors=colours, dither=Image.Dither.NONE, kmeans=1)
    small.save(packed, format="png", optimize=True)
    return base64.b64encode(packed.getvalue()).decode("ascii")


def names(labels: Any, limit: int = 24) -> list[str]:
    """Labels as short text."""
    text = [str(label) for label in np.asarray(labels).tolist()]
    return [item if len(item) <= limit else item[: limit - 1] + "…" for item in text]


def label_ticks(axes: "Axes", labels: Sequence[str], axis: str, *, room: float) -> None:
    """Put one tick per label where they fit into `room` inches, else every n-th."""
    stride = max(1, int(np.ceil(len(labels) * 0.13 / max(room, 0.1))))
    positions = list(range(0, len(labels), stride))
    chosen = [labels[i] for i in positions]
    if axis == "y":
        axes.set_yticks(positions, chosen)
    else:
        turn = max((len(item) for item in chosen), default=0) * len(chosen) * 0.075 > room
        axes.set_xticks(positions, chosen, rotation=90 if turn else 0)


def shrink(values: np.ndarray, columns: int) -> tuple[np.ndarray, int]:
    """Average (time, ...) over blocks of bins so that at most `columns` remain; NaN-aware. Also the block "
    "size."""
    block = max(1, int(np.ceil(len(values) / columns)))
    if block == 1:
        return values.astype(np.float64), 1
    padding = -len(values) % block
    filler = np.full((padding, *values.shape[1:]), np.nan)
    grouped = np.concatenate([values.astype(np.float64), filler]).reshape(-1, block, *values.shape[1:])
    known = np.isfinite(grouped)
    total = np.where(known, grouped, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0), block


def flat_time(array: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trials laid end to end without their ragged tails: values (time, ...), trial of each bin, first "
    "bins."""
    from neurodyn.analysis.sequences import inside_trials

    laid = array if "trial" in array.dims else array.expand_dims("trial")
    inside = inside_trials(laid)
    lengths = inside.sum(axis=1)
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return laid.values[inside], np.repeat(np.arange(len(lengths)), lengths), first


def time_axis(recording: xr.Dataset) -> tuple[float, str]:
    """Size of a bin on the axis and the axis label: seconds, minutes or hours by length, or trials."""
    interval = float(recording.attrs.get("sampling_interval", 1.0))
    if recording.attrs.get("time_unit") == "trial":
        return 1.0, "trial"
    n_bins = recording.sizes["time"] * recording.sizes.get("trial", 1)
    seconds = interval * n_bins
    for scale, label in ((3600.0, "time (h)"), (60.0, "time (min)"), (1.0, "time (s)")):
        if seconds > 3 * scale:
            return interval / scale, label
    return interval * 1000.0, "time (ms)"


def duration(seconds: float) -> str:
    """A duration for people."""
    for scale, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= 2 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def number(value: Any, *, tiny: float = 5e-4) -> str:
    """Three significant digits with a true minus sign; what is smaller than `tiny` is 0."""
    value = float(value)
    return "0" if abs(value) < tiny else f"{value:.3g}".replace("-", "−")
