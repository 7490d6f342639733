"""Hold-out of affinities, made on the traces they come from; and animals of which half the units are given."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.connectome.measures import Affinity, ConcurrentChange, Pairs, affinity
from neurodyn.validation.holdout.protocol import Protocol, part, require_trials
from neurodyn.validation.layout import as3, generator, near, shape3
from neurodyn.validation.split import Split, inside


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfPairs(Protocol):
    """Another protocol, carried over from traces to affinities; see `neurodyn.validation.holdout.of_pairs`.

    Parameters
    ----------
    traces : Protocol
        What is held out of the traces.
    measure : Affinity
        How affinities are made.
    minimum_gap : int
        Least gap in bins of the trace protocol.
    """

    name: ClassVar[str] = "pairs"
    traces: Protocol
    measure: Affinity
    minimum_gap: int = 0

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        return (
            f"{self.traces.describe()[:-1]}; held out of the traces, so that all pairs of a held-out unit leave together, "
            f"with {self.measure.reach} bins more on either side, which an affinity reaches; where the past predicts, it "
            f"ends {2 * self.measure.reach} bins earlier, as far as windows overlap."
        )

    @property
    def label(self) -> str:
        """Name in a table: what is held out of the traces."""
        return f"{self.name} ({getattr(self.traces, 'label', self.traces.name)})"

    def _inner(self) -> Protocol:
        """The trace protocol with a gap as wide as the reach of both."""
        return self.traces.with_gap(self.minimum_gap + self.measure.reach)

    def _count(self, recording: xr.Dataset) -> int:
        if "source" in recording["activity"].coords:
            raise NotApplicable(
                "of_pairs holds entries out of traces, but this recording already holds pairs; pass the recording they were "
                "made of."
            )
        return self._inner()._count(recording)

    def of_traces(self, recording: xr.Dataset, fold: int = 0) -> Split:
        """The split of the traces behind a fold.

        Parameters
        ----------
        recording : xr.Dataset
            Traces.
        fold : int
            Which.

        Returns
        -------
        Split
            For a model of the traces that is to be compared on the same entries.
        """
        return self._inner()._make(recording, fold)

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        split = self.of_traces(recording, fold)
        reach = self.measure.reach
        train, given, target = (as3(mask) for mask in (split.train_mask, split.given_mask, split.target_mask))
        scaled_on = train.any(1, keepdims=True)
        # The scale of a trace is learnt where it is trained on; of an animal that is not, on what is shown of it beforehand.
        before = given if split.adapt_mask is None else as3(split.adapt_mask)
        shown = np.where(scaled_on, train, before)
        pairs = affinity(recording, self.measure, scale_on=shown.reshape(recording["activity"].shape))
        of_units = Pairs.of(self.measure, recording["unit"].values.astype(str))
        first, second = of_units.first, of_units.second

        def whole(mask: np.ndarray) -> np.ndarray:
            """Bins whose window lies within the mask; what leaves the recording has no affinity anyway."""
            hidden = np.moveaxis(~mask, 1, -1)
            return np.moveaxis(~near(hidden, reach), -1, 1)

        def both(mask: np.ndarray) -> np.ndarray:
            return mask[..., first] & mask[..., second]

        trained, shown_pairs = both(whole(train)), both(whole(given))
        if self._within_target():
            scored = both(whole(target))
        else:
            known = whole(given | target)
            scored = both(known) & (target[..., first] | target[..., second])
            if split.mode == "all":
                scored &= ~shown_pairs
        adapt = None if split.adapt_mask is None else part(pairs, both(whole(as3(split.adapt_mask))))
        past = split.mode == "past"
        return Split(
            recording=pairs,
            train_mask=part(pairs, trained & ~scored),
            given_mask=part(pairs, shown_pairs),
            target_mask=part(pairs, scored),
            adapt_mask=adapt,
            inputs_mask=None
            if split.inputs_mask is None
            else part(pairs, both(whole(as3(split.inputs_mask))) & ~scored),
            validation_mask=None
            if split.validation_mask is None
            else part(pairs, both(whole(as3(split.validation_mask))) & ~scored & ~trained),
            mode=split.mode,
            # Affinities of the past must not have seen the traces behind the one that is predicted.
            horizon=split.horizon + 2 * reach if past else split.horizon,
            protocol=f"{split.protocol}, pairs",
            fold=fold,
            label=split.label,
            gap=split.gap,
            test_trials=split.test_trials,
        )

    def _within_target(self) -> bool:
        """Whether only pairs of two held-out units are scored."""
        return isinstance(self.traces, Animals)


def of_pairs(traces: Protocol, measure: Affinity | None = None) -> OfPairs:
    """Hold out affinities by holding out entries of the traces they are made of.

    Single pairs must not be held out: where an affinity is a product over two traces, the others determine it. So a protocol
    is applied to the traces, and a pair belongs to a part only where both units do, throughout the bins that the affinity
    reaches. Scales of traces are learnt on the training part; a trial that is not trained on has its own (where local
    parameters are adapted, that of the part adapted on; a unit of which nothing is shown, its whole trace's). Where the
    past predicts, it ends as many bins earlier as windows overlap.

    Parameters
    ----------
    traces : Protocol
        Such as ``holdout.units(trials=0.2, key=0)``, ``holdout.blocks(5)`` or ``holdout.animals(key=0)``.
    measure : ConcurrentChange or another measure, optional
        How affinities are made; default `neurodyn.models.connectome.ConcurrentChange`.

    Returns
    -------
    OfPairs
        A protocol for recordings of traces; its splits are of recordings of pairs.

    Raises
    ------
    ModelError
        If `traces` is no protocol, or the measure none.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import holdout
    >>> traces = make(np.random.default_rng(0).normal(size=(100, 4)).cumsum(axis=0), sampling_interval=0.5)
    >>> split = holdout.of_pairs(holdout.units(fraction=0.25, gap=0, key=0))(traces)
    >>> split.target["activity"].count("time").values.tolist()
    [0, 16, 0, 16, 0, 16]
    """
    if not isinstance(traces, Protocol) or isinstance(traces, OfPairs):
        raise ModelError(
            f"holdout.of_pairs: traces is {traces!r}; give a protocol for traces, such as holdout.blocks(5)."
        )
    measure = ConcurrentChange() if measure is None else measure
    if not isinstance(measure, Affinity):
        raise ModelError(f"holdout.of_pairs: measure is {measure!r}; give one such as ConcurrentChange().")
    return OfPairs(traces=traces, measure=measure)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Animals(Protocol):
    """Whole animals, of which half the units are given; see `neurodyn.validation.holdout.animals`.

    Parameters
    ----------
    key : int or jax.Array
        Draws the halves.
    """

    name: ClassVar[str] = "animals"
    key: Any

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        return "Every animal in turn: half of its units are given, and the other half is predicted from them."

    def _count(self, recording: xr.Dataset) -> int:
        return require_trials(recording, "animals", 2, "holdout.units")

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        n_trials = shape3(recording)[0]
        seen = np.isfinite(as3(recording["activity"]))[fold].any(0)
        found = np.flatnonzero(seen)
        if len(found) < 4:
            raise NotApplicable(
                f"animals needs 4 units or more in every animal, trial {recording['trial'].values[fold]!r} has {len(found)}."
            )
        order = generator(self.key, "animals", fold).permutation(found)
        half = np.zeros(len(seen), dtype=bool)
        half[order[: len(order) // 2]] = True
        test = np.zeros(n_trials, dtype=bool)
        test[fold] = True
        within = inside(recording)
        here = within & test[:, None, None]
        return Split(
            recording=recording,
            train_mask=part(recording, within & ~test[:, None, None]),
            given_mask=part(recording, here & half),
            target_mask=part(recording, here & ~half),
            adapt_mask=part(recording, here & half),
            mode="all",
            protocol=self.name,
            fold=fold,
            label=f"animal {recording['trial'].values[fold]}, {len(found) - int(half.sum())} of its {len(found)} units",
            test_trials=np.array([fold]),
        )


def animals(*, key: Any) -> Animals:
    """Hold out every animal in turn; half of its units are given (and adapted on), the other half is scored.

    Carried over to pairs by `of_pairs`, the pairs within the one half are given and those within the other scored.

    Parameters
    ----------
    key : int or jax.Array
        Draws the halves.

    Returns
    -------
    Animals
        The protocol, for recordings whose trials are animals.

    Raises
    ------
    ModelError
        If the key is None.

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.animals(key=0).name
    'animals'
    """
    if key is None:
        raise ModelError("holdout.animals: key is None; pass e.g. key=0.")
    return Animals(key=key)
