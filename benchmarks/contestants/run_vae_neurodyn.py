"""The default network here: seconds of an epoch, and what held-out units score after training.

python run_vae_neurodyn.py problem.npz epochs output.json
"""

import dataclasses
import json
import sys
import time

import clock
import numpy as np

from neurodyn.models.vae import SequentialVAE, Training
from neurodyn.recording import hide, make


class Clock:
    """Notes when every epoch ends."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def update(self, fraction: float, text: str) -> None:
        """Take note."""
        del text
        self.marks.append((fraction, time.perf_counter()))


def main() -> None:
    """Train, time, score."""
    problem = np.load(sys.argv[1])
    epochs = int(sys.argv[2])
    recording = make(problem["counts"], sampling_interval=0.02, kind="count")
    hidden, test = problem["hidden"], problem["test"]

    def without(part):
        return hide(part, np.broadcast_to(hidden, part["activity"].shape))

    train, held = recording.isel(trial=~test), recording.isel(trial=test)
    model = SequentialVAE(training=Training(epochs=epochs, evaluate_every=epochs), validation=0.0)
    short = dataclasses.replace(model, training=dataclasses.replace(model.training, epochs=epochs))
    short.fit(train.isel(trial=slice(0, 64)), inputs=without(train.isel(trial=slice(0, 64))), key=1)
    began = time.perf_counter()
    marks = Clock()
    fit = model.fit(train, inputs=without(train), key=0, progress=marks)
    total = time.perf_counter() - began
    first, last = marks.marks[0], marks.marks[-1]
    rates = fit.predict(without(held))["mean"].values[..., hidden]
    scored = held["activity"].values[..., hidden]
    null = np.broadcast_to(scored.mean((0, 1)), scored.shape)
    gain = (scored * np.log2(rates / null) - (rates - null) / np.log(2)).sum()
    per_epoch = (last[1] - first[1]) / ((last[0] - first[0]) * epochs)
    record = {
        "seconds": [per_epoch],
        "seconds_with_compilation": total,
        "bits_per_spike": float(gain / scored.sum()),
        "peak_megabytes": 1000 * clock.peak_memory_gb(),
    }
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump(record, file)


if __name__ == "__main__":
    main()
