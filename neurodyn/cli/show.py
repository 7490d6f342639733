"""What the commands print: tables and verdicts on standard output."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas

    from neurodyn.validation.comparison import Comparison
    from neurodyn.validation.selection import Sweep


def console() -> Any:
    """Standard output; as wide as the terminal, or wide enough for tables in a file."""
    from rich.console import Console

    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=max(out.width, 110))


def frame(table: "pandas.DataFrame", title: str) -> None:
    """Print a data frame, columns without content left out."""
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(title=escape(title), title_justify="left", header_style="bold")
    kept = [name for name in table.columns if any(_cell(value) for value in table[name])]
    for name in kept:
        drawn.add_column(str(name), overflow="fold")
    for row in table[kept].itertuples(index=False):
        drawn.add_row(*(escape(_cell(value)) for value in row))
    console().print(drawn)


def _cell(value: Any) -> str:
    """A value of a table as text, nothing for what is missing."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return " x ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def scores(comparison: "Comparison") -> None:
    """Print a table of scores for every protocol, the best model first."""
    from rich.markup import escape
    from rich.table import Table

    from neurodyn.report.scores import has_values, headline_metrics, metric_name
    from neurodyn.report.style import number
    from neurodyn.report.words import ceiling_notes, main_metric, ranked, span

    if comparison.parts:
        for name, part in comparison.parts.items():
            console().print(f"\n[bold]{escape(name)}[/bold]")
            scores(part)
        if comparison.pooled is not None:
            console().print("\n[bold]mean over recordings[/bold]")
            scores(comparison.pooled)
        return
    table = comparison.scores
    for protocol in table["protocol"].values.astype(str):
        main = main_metric(table, protocol)
        if main is None:
            continue
        metrics = [m for m in headline_metrics(table, limit=4) if has_values(table, protocol, m)][:3]
        drawn = Table(title=escape(f"held out: {protocol}"), title_justify="left", header_style="bold")
        drawn.add_column("model")
        for metric in metrics:
            drawn.add_column(metric_name(metric), justify="right")
        drawn.add_column("p", justify="right")
        for name in ranked(table.sel(protocol=protocol), main):
            row = table.sel(protocol=protocol, model=name)
            cells = []
            for metric in metrics:
                here = row.sel(metric=metric)
                value = float(here["value"])
                cells.append(
                    f"{number(value)} {span(here['lower'], here['upper'])}" if np.isfinite(value) else "–"
                )
            p = float(row["p_adjusted"].sel(metric=main))
            cells.append("" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.2g}")
            style = None if bool(row["is_baseline"]) else "bold"
            drawn.add_row(escape(name), *(escape(cell) for cell in cells), style=style)
        console().print(drawn)
        floors = [
            f"{metric_name(metric)} {number(table['floor'].sel(metric=metric))}"
            for metric in metrics
            if np.isfinite(float(table["floor"].sel(metric=metric)))
        ]
        console().print(f"  floor: {'; '.join(floors)}" if floors else "", style="dim")
        for line in ceiling_notes(table.sel(protocol=protocol, metric=metrics)):
            console().print(f"  {escape(line)}", style="dim")


def sweep(found: "Sweep") -> None:
    """Print the held-out score of every setting, and the choice."""
    from rich.table import Table

    from neurodyn.report.scores import metric_name
    from neurodyn.report.style import number

    table = found.table
    drawn = Table(title="the number of states", title_justify="left", header_style="bold")
    for name in ("states", metric_name(table.attrs["metric"]), "standard error", "restarts agree"):
        drawn.add_column(name, justify="right")
    for value in table["n_states"].values.tolist():
        row = table.sel(n_states=value)
        agreed = float(row["agreement"])
        drawn.add_row(
            str(value),
            number(row["score"]),
            number(row["standard_error"]),
            f"{agreed:.0%}" if agreed == agreed else "–",
        )
    console().print(drawn)
    console().print(f"  chosen: {found.best['n_states']} states", style="bold")


def verdict(comparison: "Comparison") -> None:
    """Print the verdict in words."""
    from rich.markup import escape

    from neurodyn.cli.spelling import on_command_line
    from neurodyn.report.words import findings, headline, reasons

    out = console()
    parts = comparison.parts or {"": comparison}
    if comparison.pooled is not None:
        parts = {**parts, "mean over recordings": comparison.pooled}
    for name, part in parts.items():
        out.print(f"\n[bold]{escape(name + ': ' if name else '')}{escape(headline(part))}[/bold]")
        for found in findings(part):
            out.print(f"  {escape(found.protocol)}: {escape(found.sentence)}")
    for model, lines in comparison.warnings.items():
        for line in lines:
            out.print(f"  [yellow]warning[/yellow] ({escape(model)}): {escape(on_command_line(line))}")
    for line in reasons(comparison):
        out.print(f"  not applicable: {escape(on_command_line(line))}", style="dim")
