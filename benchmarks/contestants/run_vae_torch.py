"""The default network written plainly in PyTorch: seconds of an epoch, and what held-out units score after training.

python run_vae_torch.py problem.npz epochs output.json
"""

import json
import math
import sys
import time

import clock
import numpy as np
import torch
from torch import nn

WIDTH, FEED_FORWARD, HEADS, KEEP, DECAY, RATE, BATCH = 64, 128, 2, 0.7, 1.0, 3e-3, 64


def positions(n_time: int, width: int) -> torch.Tensor:
    """Sinusoids of the bin's number."""
    rank = np.arange(width)
    angle = np.arange(n_time)[:, None] / 10_000.0 ** (2 * (rank // 2) / width)
    return torch.tensor(np.where(rank % 2 == 0, np.sin(angle), np.cos(angle)), dtype=torch.float32)


class Network(nn.Module):
    """Recurrent units in both directions, one post-norm Transformer layer, a linear readout."""

    def __init__(self, n_units: int, n_time: int, mean: np.ndarray) -> None:
        super().__init__()
        self.encoder = nn.GRU(n_units + 1, WIDTH, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.05)
        self.read_in = nn.Linear(2 * WIDTH, WIDTH)
        self.layer = nn.TransformerEncoderLayer(WIDTH, HEADS, FEED_FORWARD, dropout=0.0, batch_first=True)
        self.readout = nn.Linear(WIDTH, n_units)
        nn.init.normal_(self.readout.weight, std=0.5 / math.sqrt(WIDTH))
        with torch.no_grad():
            self.readout.bias.copy_(torch.tensor(np.log(np.maximum(mean, 1e-5))))
        self.register_buffer("positions", positions(n_time, WIDTH))

    def forward(self, fed: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Log rates."""
        share = shown.float().mean(-1, keepdim=True)
        hidden, _ = self.encoder(torch.cat([fed, share], dim=-1))
        return self.readout(self.layer(self.read_in(self.drop(hidden)) + self.positions))


def main() -> None:
    """Train, time, score."""
    problem = np.load(sys.argv[1])
    epochs = int(sys.argv[2])
    torch.manual_seed(0)
    counts = torch.tensor(problem["counts"], dtype=torch.float32)
    hidden = torch.tensor(problem["hidden"])
    test = torch.tensor(problem["test"])
    train, held = counts[~test], counts[test]
    mean, deviation = train.mean((0, 1)), train.std((0, 1))
    model = Network(counts.shape[2], counts.shape[1], mean.numpy())
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=RATE)
    steps = epochs * -(-len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=RATE / 100)
    times = []
    for _ in range(epochs):
        began = time.perf_counter()
        model.train()
        for chosen in torch.randperm(len(train)).split(BATCH):
            batch = train[chosen]
            shown = (torch.rand_like(batch) < KEEP) & ~hidden
            fed = torch.where(shown, (batch - mean) / deviation / KEEP, torch.zeros(()))
            log_rate = model(fed, shown)
            loss = (log_rate.exp() - batch * log_rate)[~shown].mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            schedule.step()
        times.append(time.perf_counter() - began)
    model.eval()
    with torch.no_grad():
        shown = (~hidden).expand_as(held)
        fed = torch.where(shown, (held - mean) / deviation, torch.zeros(()))
        rates = torch.cat([model(*pair).exp() for pair in zip(fed.split(256), shown.split(256), strict=True)])
    scored, expected = held[..., hidden].numpy(), rates[..., hidden].numpy()
    null = np.broadcast_to(scored.mean((0, 1)), scored.shape)
    gain = (scored * np.log2(expected / null) - (expected - null) / np.log(2)).sum()
    record = {
        "seconds": times,
        "bits_per_spike": float(gain / scored.sum()),
        "peak_megabytes": 1000 * clock.peak_memory_gb(),
        "version": torch.__version__,
    }
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump(record, file)


if __name__ == "__main__":
    main()
