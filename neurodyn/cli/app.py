"""The commands and their options; the work is done in `neurodyn.cli.work`."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from neurodyn.cli import INTERRUPTED
from neurodyn.cli.guard import EPILOG, guarded
from neurodyn.cli.source import Source, with_source

app = typer.Typer(
    name="neurodyn",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

MODEL = "The model"
WORK = "The work"

States = Annotated[
    str,
    typer.Option("--states", help="Number of states: 6, 2:8 or 2,4,8.", metavar="K", rich_help_panel=MODEL),
]
Emission = Annotated[
    str, typer.Option("--emission", help="Emission of the HMM; auto goes by the data.", rich_help_panel=MODEL)
]
Shrink = Annotated[
    float,
    typer.Option(
        "--shrink",
        help="Pull Gaussian states towards the average of the recording by N pseudo-samples; for many units.",
        metavar="N",
        rich_help_panel=MODEL,
    ),
]
Standard = Annotated[
    bool,
    typer.Option("--standardise", help="Standardise units, learnt on training data.", rich_help_panel=MODEL),
]
HighPass = Annotated[
    float | None,
    typer.Option("--high-pass", help="High-pass filter in Hz, before the model.", rich_help_panel=MODEL),
]
Embed = Annotated[
    int | None, typer.Option("--embed", help="Time-delay embedding with N lags.", rich_help_panel=MODEL)
]
Pca = Annotated[int | None, typer.Option("--pca", help="Keep N principal components.", rich_help_panel=MODEL)]
Holdout = Annotated[
    list[str] | None,
    typer.Option(
        "--holdout",
        help="What is held out, may be repeated: blocks:5, trials:5, runs, subjects, groups:COORD, units:0.25, "
        "entries:0.1, future:BINS; settings after commas, as in blocks:5,gap=10.",
        metavar="PROTOCOL",
        rich_help_panel=WORK,
    ),
]
Restarts = Annotated[int, typer.Option("--restarts", help="Starts of each fit.", min=1, rich_help_panel=WORK)]
Seed = Annotated[
    int, typer.Option("--seed", help="Random key: same seed, same numbers.", rich_help_panel=WORK)
]
Out = Annotated[
    Path, typer.Option("--out", help="Folder for what is written; made if absent.", rich_help_panel=WORK)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=WORK)]


def _version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from neurodyn.__about__ import __version__

        typer.echo(f"neurodyn {__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fit models of neural dynamics to a recording, and say whether they hold on data they never saw.

    [bold]Examples[/bold]

      neurodyn demo

      neurodyn inspect session.nwb

      neurodyn fit session.nwb --bin-width 0.05 --states 2:8 --out results

      neurodyn compare bold.nii.gz --atlas regions.nii.gz --models hmm,ar_ridge --holdout blocks:5 --out results
    """


@app.command(epilog=EPILOG)
@guarded
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")],
    loader: Annotated[
        str | None, typer.Option("--loader", help="Name of the loader, where not clear.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Show what is in a file.

    [bold]Example[/bold]

      neurodyn inspect session.nwb
    """
    from neurodyn.cli import work

    work.inspect(file, loader)


@app.command(epilog=EPILOG)
@guarded
@with_source
def fit(
    source: Source,
    model: Annotated[
        str,
        typer.Option(
            "--model", help="Name of the model, such as hmm or switching_glm.", rich_help_panel=MODEL
        ),
    ] = "hmm",
    states: States = "2:8",
    emission: Emission = "auto",
    shrink: Shrink = 0.0,
    standardise: Standard = False,
    high_pass: HighPass = None,
    embed: Embed = None,
    pca: Pca = None,
    holdout: Holdout = None,
    restarts: Restarts = 5,
    seed: Seed = 0,
    out: Out = Path("neurodyn-fit"),
    debug: Debug = False,
) -> None:
    """Fit a model; the number of states is chosen by held-out score. Writes fit.nc, report.html and figures.

    [bold]Examples[/bold]

      neurodyn fit session.nwb --bin-width 0.05 --interval 670:1200 --states 2:8 --out results

      neurodyn fit rest.csv --tr 0.72 --standardise --pca 20 --shrink 100 --states 4:10 --out results

      neurodyn fit eeg.set --band-pass 1:45 --resample 100 --embed 7 --pca 30 --states 6 --out results
    """
    from neurodyn.cli import work

    complete = work.fit(
        source,
        work.Settings(
            models=(model,),
            states=states,
            emission=emission,
            shrink=shrink,
            standardise=standardise,
            high_pass=high_pass,
            embed=embed,
            pca=pca,
            holdout=tuple(holdout or ()),
            restarts=restarts,
            seed=seed,
            out=out,
            command=_command(),
        ),
    )
    _leave(complete)


@app.command(epilog=EPILOG)
@guarded
@with_source
def compare(
    source: Source,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            help="Names with commas, such as hmm,ar_ridge,mean or switching_glm,glm,uncoupled_glm.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    states: States = "4",
    emission: Emission = "auto",
    shrink: Shrink = 0.0,
    standardise: Standard = False,
    high_pass: HighPass = None,
    embed: Embed = None,
    pca: Pca = None,
    holdout: Holdout = None,
    restarts: Restarts = 5,
    seed: Seed = 0,
    out: Out = Path("neurodyn-comparison"),
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html.", rich_help_panel=WORK)
    ] = True,
    debug: Debug = False,
) -> None:
    """Compare models on the same held-out data. Prints a table and the verdict, writes scores.csv and report.html.

    With several numbers of states, each is a model of its own.

    [bold]Examples[/bold]

      neurodyn compare rest.csv --tr 0.72 --standardise --models hmm,ar_ridge,mean --states 4,8 --holdout blocks:5

      neurodyn compare session.nwb --bin-width 0.05 --holdout blocks:5 --holdout units --out results
    """
    from neurodyn.cli import work

    chosen = tuple(name.strip() for name in models.split(",") if name.strip()) if models else ()
    complete = work.compare(
        source,
        work.Settings(
            models=chosen,
            states=states,
            emission=emission,
            shrink=shrink,
            standardise=standardise,
            high_pass=high_pass,
            embed=embed,
            pca=pca,
            holdout=tuple(holdout or ()),
            restarts=restarts,
            seed=seed,
            out=out,
            command=_command(),
        ),
        report=report,
    )
    _leave(complete)


@app.command(epilog=EPILOG)
@guarded
def demo(out: Out = Path("neurodyn-demo"), seed: Seed = 0, debug: Debug = False) -> None:
    """Judge a hidden Markov model of resting fMRI on held-out data, from nothing: about a minute.

    The recording (250 volumes of 31 regions) comes with the package nitime: pip install "neurodyn\\[demo]".

    [bold]Example[/bold]

      neurodyn demo --out neurodyn-demo
    """
    from neurodyn.cli import work

    _leave(work.demo(out, seed, _command()))


@app.command(epilog=EPILOG)
@guarded
def cite(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL|FILE]...", help="Names of models, or files of saved fits."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Print BibTeX of the methods: of models by name, of a saved fit, or of the package.

    [bold]Examples[/bold]

      neurodyn cite hmm ar_ridge

      neurodyn cite results/fit.nc > methods.bib
    """
    from neurodyn.cli import work

    typer.echo(work.cite(tuple(what or ())))


def _command() -> str:
    """The command as typed, for the report."""
    return shlex.join(["neurodyn", *sys.argv[1:]])


def _leave(complete: bool) -> None:
    """Exit code 130 where the work was interrupted."""
    if not complete:
        raise typer.Exit(INTERRUPTED)
