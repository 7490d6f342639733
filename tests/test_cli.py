"""The command line: what it reads, prints, writes, and the code it leaves with."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from neurodyn.cli import choices, folder, work
from neurodyn.cli.app import app
from neurodyn.cli.progress import Bar, Interrupt, bars
from neurodyn.cli.source import Source, literal, pair
from neurodyn.cli.spelling import on_command_line
from neurodyn.errors import NeurodynWarning

FAST = ["--restarts", "1", "--holdout", "blocks:3"]

ARRAY = ["fit", "{series}", "--sampling-interval", "0.5", "--loader", "array"]


def run(*arguments: object):
    """Invoke the command with arguments."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A small array with two states in turn, 180 rows of 3 units."""
    generator = np.random.default_rng(0)
    state = np.repeat(np.tile([0, 1], 6), 15)
    path = tmp_path_factory.mktemp("data") / "series.npy"
    np.save(path, np.array([[2.0, -2.0, 0.0], [-2.0, 2.0, 1.0]])[state] + generator.normal(size=(180, 3)))
    return path


@pytest.fixture(scope="module")
def fitted(series: pathlib.Path, tmp_path_factory: pytest.TempPathFactory):
    """A fit made by the command, and its folder."""
    out = tmp_path_factory.mktemp("fit") / "results"
    emission = ("--emission", "gaussian_diagonal")
    command = [item.format(series=series) for item in ARRAY]
    done = run(*command, "--states", "2,3", *emission, *FAST, "--out", out)
    return done, out


def test_help_names_every_command_and_the_exit_codes() -> None:
    done = run("--help")
    assert done.exit_code == 0
    for name in ("inspect", "fit", "compare", "demo", "cite", "Exit codes", "neurodyn demo"):
        assert name in done.output


@pytest.mark.parametrize("command", ["inspect", "fit", "compare", "demo", "cite"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"neurodyn {command}" in done.output
    assert "Example" in done.output


def test_help_loads_no_heavy_library() -> None:
    program = (
        "import sys\nfrom neurodyn.cli.app import app\n"
        "try:\n    app(['fit', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = ('jax', 'numpy', 'xarray', 'pandas', 'matplotlib', 'scipy')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_fit_chooses_states_and_writes_everything(fitted) -> None:
    import neurodyn

    done, out = fitted
    assert done.exit_code == 0, done.output
    assert "chosen: 2 states" in done.output
    assert {item.name for item in out.iterdir()} >= {
        "fit.nc",
        "report.html",
        "scores.csv",
        "sweep.csv",
        "figures",
    }
    fit = neurodyn.load(out / "fit.nc")
    assert fit.model.n_states == 2
    assert fit.provenance["sizes"]["time"] == 180
    assert (out / "figures" / "states.png").stat().st_size > 1000
    assert {f.relative_to(out).as_posix() for f in out.rglob("*.*")} <= set(work.WRITTEN)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The choice" in page
    assert "what is scored had no part in the choice" in page
    assert "number of states 2, 2, 2" in page
    assert "optimistic" not in page
    assert "holds" in done.output or "does not hold" in done.output


def test_cite_knows_models_and_saved_fits(fitted) -> None:
    _, out = fitted
    by_name, by_file = run("cite", "hmm"), run("cite", out / "fit.nc")
    assert by_name.exit_code == by_file.exit_code == 0
    assert "rabiner1989" in by_name.output
    assert "rabiner1989" in by_file.output
    assert run("cite").output.count("@") == 1


def test_compare_prints_a_table_and_the_verdict(series: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = run(
        "compare",
        series,
        "--sampling-interval",
        0.5,
        "--loader",
        "array",
        "--models",
        "persistence,mean",
        *FAST,
        "--out",
        tmp_path / "new" / "folder",
        "--no-report",
    )
    assert done.exit_code == 0, done.output
    assert "held out: blocks" in done.output
    assert "Only baselines were compared" in done.output
    assert (tmp_path / "new" / "folder" / "scores.csv").read_text().startswith("protocol,metric,model,value")
    assert not (tmp_path / "new" / "folder" / "report.html").exists()


def test_the_same_seed_gives_the_same_numbers(series: pathlib.Path, tmp_path: pathlib.Path) -> None:
    common = ["--sampling-interval", 0.5, "--loader", "array", "--models", "mean", *FAST, "--no-report"]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("compare", series, *common, "--seed", seed, "--out", tmp_path / name).exit_code == 0
    tables = [
        re.sub(r",[^,]*,[^,]*,[^,]*$", "", (tmp_path / n / "scores.csv").read_text(), flags=re.M)
        for n in "abc"
    ]
    assert tables[0] == tables[1]


def test_shrinking_goes_into_the_emission() -> None:
    from neurodyn.cli import choices
    from neurodyn.inference.emissions import DiagonalGaussian, Gaussian, NormalInverseWishart

    prior = NormalInverseWishart(mean_strength=50.0, covariance_strength=50.0)
    assert choices.emission("auto", 0.0) == "auto"
    assert choices.emission("auto", 50.0) == Gaussian(prior=prior)
    assert choices.emission("gaussian_diagonal", 50.0) == DiagonalGaussian(prior=prior)


def test_inspect_lists_what_is_in_a_file(series: pathlib.Path) -> None:
    done = run("inspect", series)
    assert done.exit_code == 0
    assert "180 x 3" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "missing.nwb"], "no file"),
        (["fit", "missing.nwb"], "no file"),
        (["cite", "no_such_model"], "no model"),
        (["cite", "missing.nc"], "not a file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_1(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.output


def test_debug_raises_the_error_itself() -> None:
    from neurodyn.errors import FileError

    assert isinstance(run("inspect", "missing.nwb", "--debug").exception, FileError)


def test_a_truncated_file_is_exit_code_1(tmp_path: pathlib.Path) -> None:
    (tmp_path / "broken.nwb").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 40)
    done = run("fit", tmp_path / "broken.nwb", "--bin-width", 0.1)
    assert done.exit_code == 1
    assert "broken.nwb" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit"],
        ["fit", "x.npy", "--no-such-option"],
        ["fit", "{series}", "--interval", "abc"],
        ["fit", "{series}", "--sampling-interval", "0.5", "--loader", "array", "--states", "two"],
        ["fit", "{series}", "--sampling-interval", "0.5", "--loader", "array", "--holdout", "magic"],
        ["fit", "{series}", "--sampling-interval", "0.5", "--loader", "array", "--holdout", "future"],
        ["fit", "{series}", "--option", "novalue"],
        [*ARRAY, "--shrink", "-1"],
        [*ARRAY, "--shrink", "10", "--emission", "poisson"],
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], series: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    filled = [item.format(series=series) for item in arguments]
    extra = ["--out", str(tmp_path)] if len(arguments) > 1 else []
    assert run(*filled, *extra).exit_code == 2


def test_a_file_in_place_of_a_folder_is_refused(series: pathlib.Path) -> None:
    done = run("fit", series, "--sampling-interval", 0.5, "--loader", "array", "--out", series)
    assert done.exit_code == 1
    assert "name of a folder" in done.stderr


def test_an_interrupt_during_reading_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "read", press)
    done = run("compare", "x.npy")
    assert done.exit_code == 130
    assert "interrupted" in done.stderr


def test_an_interrupted_comparison_is_written_and_exit_code_130(
    series: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_late(self, fraction: float, text: str) -> None:
        if self._passes_on and fraction > 0.5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "update", press_late)
    done = run(
        "compare",
        series,
        "--sampling-interval",
        0.5,
        "--loader",
        "array",
        "--models",
        "persistence",
        *FAST,
        "--out",
        tmp_path,
    )
    assert done.exit_code == 130
    assert (tmp_path / "scores.csv").exists()
    assert "interrupted" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_line_of_the_whole_work_passes_an_interrupt_on_and_that_of_a_fit_does_not() -> None:
    with bars() as (whole, part, stop):
        whole.update(0.5, "half")
        part.update(float("nan"), "on the way")
        stop.pressed = True
        part.update(0.1, "the fit keeps its best")
        with pytest.raises(KeyboardInterrupt):
            whole.update(0.6, "more")
    assert isinstance(stop, Interrupt)


def test_options_become_those_of_the_loader() -> None:
    source = Source(
        file=pathlib.Path("x"),
        bin_width=0.05,
        tr=2.0,
        band_pass="8:13",
        picks="C3,C4",
        envelope=True,
        option=["scale=1e-6", "bad=drop", "channels=[1, 2]"],
    )
    assert source.options() == {
        "bin_width": 0.05,
        "repetition_time": 2.0,
        "band_pass": (8.0, 13.0),
        "picks": ["C3", "C4"],
        "envelope": True,
        "scale": 1e-6,
        "bad": "drop",
        "channels": [1, 2],
    }
    assert pair("--band-pass", "1:") == (1.0, None)
    assert literal("a,b") == ["a", "b"]


def test_numbers_of_states_are_ranges_and_lists() -> None:
    assert choices.state_numbers("2:4") == (2, 3, 4)
    assert choices.state_numbers("6") == (6,)
    assert choices.state_numbers("2,8") == (2, 8)
    for wrong in ("0:3", "", "5:2"):
        with pytest.raises(typer.BadParameter):
            choices.state_numbers(wrong)


def test_steps_come_in_the_order_in_which_they_apply() -> None:
    made = choices.steps(True, 0.01, 5, 3)
    assert [type(step).__name__ for step in made] == ["HighPass", "Standardise", "TimeDelayEmbedding", "PCA"]
    assert choices.steps(False, None, None, None) == []


def test_an_interrupt_ends_the_process_with_130_and_leaves_no_folder(
    series: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    program = (
        "import os, signal, sys\nfrom neurodyn.cli import main, work\n"
        "def press(*_, **__):\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "work.sweep_states = press\nimport atexit\natexit.register(print, 'torn down')\nmain()"
    )
    arguments = ["fit", series, "--sampling-interval", "0.5", "--loader", "array", "--out", tmp_path / "new"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 130
    assert "interrupted" in done.stderr
    assert "torn down" not in done.stdout
    assert not (tmp_path / "new").exists()


def test_an_interval_outside_an_array_is_refused_and_a_longer_one_cut(series: pathlib.Path) -> None:
    given = {"sampling_interval": 0.5, "loader": "array"}
    done = run(*[item.format(series=series) for item in ARRAY], "--interval", "5000:5100")
    assert done.exit_code == 1
    assert "lies outside" in done.stderr
    with pytest.warns(NeurodynWarning, match="is cut to 80 to 90 s"):
        assert Source(file=series, interval="80:100", **given).read().sizes["time"] == 20
    assert Source(file=series, interval="80:", **given).read().sizes["time"] == 20


def test_a_model_that_cannot_be_fitted_is_said_first_and_is_exit_code_1(
    series: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    common = [
        series,
        "--sampling-interval",
        0.5,
        "--loader",
        "array",
        *FAST,
        "--no-report",
        "--out",
        tmp_path,
    ]
    failing = ["--models", "hmm,mean", "--states", 2, "--pca", 100]
    done = run("compare", *common, *failing)
    assert done.exit_code == 1
    said = done.stderr.splitlines()[0]
    assert said.startswith("neurodyn: hmm could not be fitted to")
    assert "PCA: n is 100, but the recording has 3 units" in said
    assert "ModelError" not in said
    other = run("compare", *common, "--models", "hmm", "--states", "2,500", "--emission", "gaussian_diagonal")
    assert other.exit_code == 0
    assert "hmm 500 could not be fitted" in other.stderr


def test_a_second_fit_removes_what_the_first_wrote_and_nothing_else(tmp_path: pathlib.Path) -> None:
    for name in ("fit.nc", "figures/connectivity.png", "figures/mine.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    folder.start_folder(tmp_path, work.WRITTEN)
    assert sorted(item.name for item in tmp_path.rglob("*.*")) == ["mine.png", "notes.txt"]


def test_a_folder_that_cannot_be_made_is_one_sentence(series: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    done = run(*[item.format(series=series) for item in ARRAY], "--out", tmp_path / "file" / "new")
    assert done.exit_code == 1
    assert "cannot be made (not a directory); give --out" in done.stderr


@pytest.mark.parametrize(
    ("library", "shown"),
    [
        (
            "give bin_width in seconds, e.g. bin_width=0.1.",
            "give --bin-width in seconds, e.g. --bin-width 0.1.",
        ),
        ("fmri with repetition_time=; or loader='table'.", "fmri with --tr; or --loader table."),
        ("say it with time_axis=0 or 1.", "say it with --option time_axis=0 or 1."),
        ("read it with read_nwb(path, series='lfp').", "read it with --series lfp."),
        ("give dims=('unit', 'time') if", "give --option dims=unit,time if"),
        ("give interval=(start, stop) or `bin_width`.", "give --interval START:STOP or --bin-width."),
        ("no score: fold 0: ModelError: PCA is 9.", "no score: fold 0: PCA is 9."),
        ("/data/series=3/bin_width/x.nwb has K=3", "/data/series=3/bin_width/x.nwb has K=3"),
    ],
)
def test_options_of_calls_are_spelt_as_flags(library: str, shown: str) -> None:
    assert on_command_line(library) == shown


def test_models_with_and_without_couplings_have_names(tmp_path: pathlib.Path) -> None:
    from neurodyn.models import GLM, SwitchingGLM

    settings = work.Settings(models=(), states="2,3", out=tmp_path, command="")
    switching = work.candidate_models("switching_glm", settings, [])
    assert switching == {f"switching_glm {n}": SwitchingGLM(n_states=n) for n in (2, 3)}
    assert work.candidate_models("glm", settings, []) == {"glm": GLM()}
    (alone,) = work.candidate_models("uncoupled_glm", settings, []).values()
    assert isinstance(alone, GLM)
    assert alone.coupling is None
    assert alone.history is not None


def test_parts_that_a_data_set_assigns_are_a_protocol() -> None:
    from neurodyn.recording import make
    from neurodyn.validation import holdout

    recording = make(np.ones((10, 2)), sampling_interval=0.1)
    words = ["assigned", "assigned:bins", "assigned:units,test=test"]
    found = choices.protocols(words, recording, seed=0)
    assert found == [holdout.assigned(), holdout.assigned("bins"), holdout.assigned("units", test="test")]
