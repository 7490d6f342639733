"""States that may be relabelled, and matched to those of another fit."""

import dataclasses
from typing import Any, Self

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.models.hmm.states import match_paths
from neurodyn.models.verbs import HasInfer
from neurodyn.recording import arrays


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HasStates(HasInfer):
    """A fit whose parameters have a ``state`` and a ``state_next``, and whose `infer` gives ``state_probability``."""

    @property
    def n_states(self) -> int:
        """Number of states."""
        return int(self.parameters.sizes["state"])

    def match(self, other: Self, recording: xr.Dataset) -> Self:
        """Relabel another fit's states so that they agree best with this one's on a recording.

        Parameters
        ----------
        other : Fit
            A fit of the same kind with the same number of states.
        recording : xr.Dataset
            Recording on whose observed bins likeliest states are compared (Hungarian matching).

        Returns
        -------
        Fit
            `other` with its states permuted.

        Raises
        ------
        ModelError
            If the numbers of states differ.
        """
        if other.n_states != self.n_states:
            raise ModelError(
                f"cannot match {other.n_states} states to {self.n_states}; fit both with the same n_states."
            )
        seen = np.asarray(arrays(recording)[1]).any(axis=-1).ravel()
        mine, theirs = (
            fit.infer(recording)["state_probability"].argmax("state").values.ravel()[seen]
            for fit in (self, other)
        )
        return other.permute_states(match_paths(mine, theirs, self.n_states)[0])

    def permute_states(self, order: Any) -> Self:
        """Relabel the states.

        Parameters
        ----------
        order : array_like of int, shape (state,)
            New state i is old state ``order[i]``.

        Returns
        -------
        Fit
            The same model, relabelled.

        Raises
        ------
        ModelError
            If a state is missing from the order, or stands in it twice.
        """
        order = np.asarray(order, int)
        if sorted(order.tolist()) != list(range(self.n_states)):
            raise ModelError(
                f"{order.tolist()} is no order of {self.n_states} states; name every one from 0 on once."
            )
        moved = self.parameters.isel(state=order, state_next=order)
        moved = moved.assign_coords(state=np.arange(len(order)), state_next=np.arange(len(order)))
        return dataclasses.replace(self, parameters=moved)
