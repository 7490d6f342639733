"""Recurrent networks that emulate the statistics of discrete states: hyperparameters and fitting."""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.inference.glm.checkpoints import digest
from neurodyn.inference.random import key_words
from neurodyn.inference.recurrent import (
    LOSSES,
    Network,
    Objective,
    Sequences,
    change_frequencies,
    visit_frequencies,
    word_frequencies,
)
from neurodyn.inference.training import Result, Training, train
from neurodyn.inference.training.steps import bucket
from neurodyn.models.base import Model, Trace
from neurodyn.models.baselines.common import one_of, positive_number, unit_parameters, whole_number
from neurodyn.models.recurrent.fit import HMMEmulatorFit
from neurodyn.models.recurrent.windows import cut_windows, doubts
from neurodyn.recording import arrays

EVALUATIONS = 50
HEAT = 0.1  # share of the training after which one of the candidates goes on
RAMP = (0.08, 0.2)  # shares of the training between which the words gain their weight
DEFAULT = Training(
    batch_size=1024,
    learning_rate=3e-3,
    last=0.03,
    weight_decay=0.0,
    clip=0.9,
    betas=(0.9, 0.9),
    average=0.98,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HMMEmulator(Model):
    """Rectified recurrent network whose noise-driven symbols follow the statistics of recorded discrete states.

    .. math:: h_t = \\mathrm{ReLU}(W_{in} x_t + W h_{t-1}), \\quad x_t \\sim N(0, I_d), \\quad
        s_t \\sim \\mathrm{softmax}(C h_t), \\quad h_0 = 0

    The network is never told what to emit when: minimised are the Sinkhorn divergence between a batch of its sequences
    and one of recorded windows, and how far the frequencies of words of three symbols, of changes that come together and
    of visits of one, two, ... steps are missed. What it learns can then be taken apart with `neurodyn.analysis.dynamics`
    (`HMMEmulatorFit.dynamics`).

    Parameters
    ----------
    width : int
        Hidden units.
    noise : int
        Dimensions d of the noise. With 0 the network stays at zero and cannot switch.
    bias : bool
        Whether hidden units have a bias. Without one, the strength of the noise scales all states and changes nothing
        but how sharp the symbols' probabilities are.
    loss : {"independent", "paper"}
        See `neurodyn.inference.recurrent.Objective`; the published loss loses rare symbols.
    window : int, optional
        Bins of the windows that are compared; default: as long as the stretches without gaps, up to 100.
    steps : int
        Training steps, rounded up to whole passes through the windows.
    training : Training
        Settings of the training loop; its epochs and evaluations are replaced so that `steps` are taken. Nothing is held
        out, so that its patience has no effect. A step draws as many sequences as it sees windows.
    blur : float
        Entropic regularisation of the transport, epsilon: where a blur is given as a length, its square.
    word_weight : float
        Weight beside the transport of the frequencies of words of three symbols (`neurodyn.inference.recurrent.word_error`),
        of changes that come together (`change_error`) and of visits by their length (`visit_error`), reached within the
        first fifth of the training; 0: none. The transport between whole sequences hardly sees how often symbols change. The
        published loss has none.
    particles : int
        Particles of each filter.
    filters : int
        Filters that are averaged over; their spread is the Monte-Carlo error.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range.

    Notes
    -----
    `fit` takes recordings of one categorical unit: recorded symbols, or the states of another model
    (`neurodyn.simulate.symbol_chains.state_recording`). Stretches without gaps are cut into windows of equal length;
    what is left over is counted in `provenance`.

    In training the logits are multiplied by a gain that starts at 4 and is learnt; the fit's ``readout`` contains it.

    Some starts collapse within the first steps to sequences that are all alike, which no later step mends. So three are
    trained for a tenth of the steps (in whole passes, at least one), and the one with the least loss by then goes on
    (``candidate_loss`` in the parameters has what they came to), which takes a fifth more time.

    Options of `fit`: ``candidates`` (3, as above; 1: the first start is trained, whatever becomes of it), ``restarts`` (1;
    the whole is done so often, and the network with the lowest last loss is kept), ``progress``, ``checkpoint`` (a path),
    ``checkpoint_seconds`` (60), ``snapshots`` (0; so many networks of the way from the first step to the last are kept,
    for `HMMEmulatorFit.snapshots`: 4 bytes a weight each, .15 MB at a width of 150 with noise of 100 dimensions).

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> from neurodyn.models import HMMEmulator
    >>> from neurodyn.models.recurrent import Training
    >>> from neurodyn.simulate.symbol_chains import fully_connected
    >>> recording = fully_connected().sample(10, n_trials=20, key=0)
    >>> model = HMMEmulator(width=10, noise=5, steps=3, training=Training(batch_size=16))
    >>> model.fit(recording, key=0).simulate(10, n_trials=4, key=1)["activity"].shape
    (4, 10, 1)
    """

    name: ClassVar[str] = "hmm_emulator"
    kinds: ClassVar[frozenset[str]] = frozenset({"categorical"})
    citations: ClassVar[tuple[str, ...]] = ("torre2025", "feydy2019", "gordon1993")
    fit_options: ClassVar[Mapping[str, Any]] = {
        "candidates": 3,
        "restarts": 1,
        "progress": None,
        "checkpoint": None,
        "checkpoint_seconds": 60.0,
        "snapshots": 0,
    }

    width: int = 150
    noise: int = 100
    bias: bool = False
    loss: str = "independent"
    window: int | None = None
    steps: int = 1000
    training: Training = DEFAULT
    blur: float = 0.04
    word_weight: float = 10.0
    particles: int = 256
    filters: int = 4

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        for name, least in (("width", 1), ("noise", 0), ("steps", 1), ("particles", 2), ("filters", 2)):
            whole_number(self.name, name, getattr(self, name), least)
        if self.window is not None:
            whole_number(self.name, "window", self.window, 2)
        one_of(self.name, "loss", self.loss, LOSSES)
        one_of(self.name, "bias", self.bias, (False, True))
        positive_number(self.name, "blur", self.blur)
        if self.word_weight != 0:
            positive_number(self.name, "word_weight", self.word_weight)
        if not isinstance(self.training, Training):
            raise ModelError(
                f"{self.name}: training is {self.training!r}, which is no Training; see the documentation."
            )

    @property
    def reach(self) -> int:
        """Unbounded."""
        return -1

    def _fit(
        self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: jax.Array, options: dict[str, Any]
    ) -> HMMEmulatorFit:
        """Train from every start, and keep the one with the lowest loss; nothing is ever fed to the network."""
        del inputs
        symbols, observed, names = codes(recording)
        windows = cut_windows(symbols, observed, self.window)
        said = doubts(windows.symbols, names)
        if self.noise == 0 and not self.bias:
            said.append(
                "hmm_emulator: noise is 0, so that the network stays where it starts: it cannot switch, and its symbols "
                "are independent of each other; give it a dimension or more."
            )
        for words in said:
            warnings.warn(words, NeurodynWarning, stacklevel=4)
        network = Network(self.width, int(self.noise), len(names), bool(self.bias))
        settings = self._settings(len(windows.symbols))
        objective = Objective(
            network=network,
            loss=self.loss,
            blur=float(self.blur),
            word_weight=float(self.word_weight),
            ramp=(RAMP[0] * settings.epochs, RAMP[1] * settings.epochs),
        )
        n_windows = len(windows.symbols)
        whole_number(self.name, "restarts", options["restarts"], 1)
        whole_number(self.name, "candidates", options["candidates"], 1)
        whole_number(self.name, "snapshots", options["snapshots"], 0)
        keys = [jax.random.fold_in(key, number) for number in range(int(options["restarts"]))]
        candidates, identity = int(options["candidates"]), ""
        if options["checkpoint"] is not None:
            kept = [int(options["snapshots"])] if options["snapshots"] else []
            identity = digest(
                repr(self), windows.symbols, np.array(key_words(key)), len(keys), candidates, *kept
            )
        filled = np.zeros((bucket(n_windows), windows.symbols.shape[1]), np.int32)
        filled[:n_windows] = windows.symbols
        results, interrupted = train(
            network.start,
            Sequences(jnp.asarray(windows.symbols), jnp.ones(n_windows, bool)),
            None,
            {
                "symbols": jnp.asarray(filled),
                "count": jnp.float32(n_windows),
                "words": tuple(map(jnp.asarray, word_frequencies(windows.symbols, len(names)))),
                "changes": tuple(map(jnp.asarray, change_frequencies(windows.symbols))),
                "visits": jnp.asarray(visit_frequencies(windows.symbols, len(names))),
            },
            keys,
            objective=objective,
            settings=settings,
            names=objective.names,
            progress=options["progress"],
            checkpoint=options["checkpoint"],
            checkpoint_seconds=float(options["checkpoint_seconds"]),
            identity=identity,
            snapshots=int(options["snapshots"]),
            candidates=candidates,
            heat=max(round(HEAT * settings.epochs), 1),
        )
        best = results[int(np.argmin([_final(result) for result in results]))]
        return HMMEmulatorFit(
            model=self,
            parameters=_labelled(recording, best, names),
            trace=_trace(best, results, interrupted),
            provenance={
                "window": int(windows.symbols.shape[1]),
                "windows": int(n_windows),
                "dropped_bins": int(windows.dropped),
            },
        )

    def _settings(self, n_windows: int) -> Training:
        """Epochs and evaluations that make the steps asked for."""
        size = min(self.training.batch_size, bucket(n_windows))
        per_epoch = -(-n_windows // size)
        epochs = max(-(-int(self.steps) // per_epoch), 1)
        return dataclasses.replace(self.training, epochs=epochs, evaluate_every=max(epochs // EVALUATIONS, 1))


def codes(recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Codes and mask ``(trial, time)`` of a recording of symbols, and the names of the symbols."""
    if recording.sizes["unit"] != 1:
        raise ModelError(
            f"hmm_emulator: the recording has {recording.sizes['unit']} units; it emulates one sequence of symbols: select "
            "one with recording.sel(unit=[...]), or recode the combinations as symbols."
        )
    values, mask = arrays(recording)
    observed = np.asarray(mask[..., 0])
    symbols = np.where(observed, values[..., 0], 0).astype(np.int32)
    named = recording["activity"].attrs.get("categories") or {}
    names = [str(name) for name in named.get(str(recording["unit"].values[0]), ())]
    if not names:
        names = [str(k) for k in range(max(int(symbols.max(initial=0)) + 1, 2))]
    if len(names) < 2:
        raise ModelError("hmm_emulator: the recording names one symbol; there must be two or more.")
    return symbols, observed, names


def _labelled(recording: xr.Dataset, best: Result, names: list[str]) -> xr.Dataset:
    """Learnt arrays and the course of training."""
    dims = {
        "input": ("hidden", "noise"),
        "recurrent": ("hidden", "hidden_before"),
        "readout": ("category", "hidden"),
        "bias": ("hidden",),
    }
    leaves = _with_gain(best.parameters)
    variables: dict[str, Any] = {name: (dims[name], leaf) for name, leaf in leaves.items()}
    if best.snapshots:
        kept = [_with_gain(one) for one in best.snapshots]
        for name in leaves:
            stacked = np.stack([one[name] for one in kept])
            variables[f"snapshot_{name}"] = (("snapshot", *dims[name]), stacked)
        variables["snapshot_step"] = ("snapshot", np.array(best.snapshot_steps))
    variables["loss_part"] = (("evaluation", "part"), best.parts)
    variables["epoch"] = ("evaluation", best.evaluated)
    if best.heats:
        variables["candidate_loss"] = ("candidate", np.array(best.heats))
    return unit_parameters(recording, variables).assign_coords(part=list(best.names), category=names)


def _with_gain(parameters: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arrays of a network, the gain of its logits in the readout."""
    leaves = {name: np.asarray(leaf) for name, leaf in parameters.items()}
    gain = np.exp(leaves.pop("log_gain"))
    return {**leaves, "readout": leaves["readout"] * gain}


def _final(result: Result) -> float:
    """Loss of the last evaluation that was made."""
    losses = result.parts.sum(axis=1)
    known = losses[np.isfinite(losses)]
    return float(known[-1]) if len(known) else float("inf")


def _trace(best: Result, results: list[Result], interrupted: bool) -> Trace:
    """How the fit went; the objective is minus the loss, averaged over the steps between evaluations."""
    if best.diagnosis:
        warnings.warn(best.diagnosis, NeurodynWarning, stacklevel=5)
    if interrupted:
        warnings.warn(
            "training was interrupted; the parameters reached are kept.", NeurodynWarning, stacklevel=5
        )
    losses = best.parts.sum(axis=1)
    return Trace(
        objective=-losses[np.isfinite(losses)],
        converged=best.finished,
        reason=best.reason,
        restarts=-np.array([_final(result) for result in results]),
    )


HMMEmulator.fit_type = HMMEmulatorFit
