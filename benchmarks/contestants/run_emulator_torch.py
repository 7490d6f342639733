"""Steps of training the same network written plainly in PyTorch, from the same parameters.

`nn.RNN` without biases, the straight-through Gumbel softmax, and Sinkhorn in the log domain on the same schedule: the
updates without gradients, then one extrapolation with frozen potentials through which autograd goes (the envelope
gradient, as GeomLoss takes it). Eager, single precision, all threads PyTorch takes by itself, subnormal numbers flushed
to zero (they slow its exponentials and products).

Options: `batch=N` sequences of a step.
"""

import clock
import torch
from torch import nn

RATE, CLIP, BETAS, BLUR, SCALING = 3e-3, 0.9, (0.9, 0.9), 0.04, 0.25


class Network(nn.Module):
    """Rectified recurrent network driven by noise, and a readout whose gain is a parameter of its own."""

    def __init__(self, start):
        super().__init__()
        self.width, self.noise = start["input"].shape
        self.recurrent = nn.RNN(self.noise, self.width, nonlinearity="relu", bias=False)
        with torch.no_grad():
            self.recurrent.weight_ih_l0.copy_(torch.tensor(start["input"]))
            self.recurrent.weight_hh_l0.copy_(torch.tensor(start["recurrent"]))
        self.readout = nn.Parameter(torch.tensor(start["readout"]))
        self.log_gain = nn.Parameter(torch.tensor(start["log_gain"]))

    def forward(self, n_sequences, n_steps):
        """Flattened one-hot sequences, hard, with the gradient of soft ones."""
        states, _ = self.recurrent(torch.randn(n_steps, n_sequences, self.noise))
        logits = self.log_gain.exp() * (states @ self.readout.t())
        symbols = nn.functional.gumbel_softmax(logits, tau=1.0, hard=True)
        return symbols.transpose(0, 1).reshape(n_sequences, -1)


def soft_minimum(blur, potential, cost):
    """Of the cost less a potential, over columns of equal weight."""
    return -blur * ((potential - cost).div(blur).logsumexp(1) - torch.log(torch.tensor(float(cost.shape[1]))))


@torch.no_grad()
def potentials(x, y, n_steps):
    """Annealed with one averaged update at every blur, and one at the last."""
    forth = n_steps - x @ y.t()
    back = forth.t().contiguous()
    blur = 3.0 * n_steps
    f, g = torch.zeros(len(x)), torch.zeros(len(y))
    f, g = soft_minimum(blur, g, forth), soft_minimum(blur, f, back)
    blurs = []
    while blur > BLUR:
        blurs.append(blur)
        blur *= SCALING
    for blur in (*blurs, BLUR):
        new_f, new_g = soft_minimum(blur, g, forth), soft_minimum(blur, f, back)
        f, g = (f + new_f) / 2, (g + new_g) / 2
    return f, g


def transport(x, y, n_steps):
    """Entropic transport cost between one-hot sequences."""
    f, g = potentials(x, y, n_steps)
    new_f = soft_minimum(BLUR, g, n_steps - x @ y.detach().t())
    new_g = soft_minimum(BLUR, f, n_steps - y @ x.detach().t())
    return new_f.mean() + new_g.mean()


def prepare(problem, iterations, options):
    """Sequences, and as many steps as asked."""
    torch.set_flush_denormal(True)
    batch = int(dict(one.split("=") for one in options)["batch"])
    start = {name.removeprefix("start_"): problem[name] for name in problem if name.startswith("start_")}
    n_symbols = len(start["readout"])
    symbols = torch.tensor(problem["values"], dtype=torch.long)
    recorded = nn.functional.one_hot(symbols, n_symbols).float().reshape(len(symbols), -1)
    n_steps = symbols.shape[1]

    def fit():
        torch.manual_seed(1)
        network = Network(start)
        optimiser = torch.optim.Adam(network.parameters(), lr=RATE, betas=BETAS)
        order = iter(())
        for _ in range(iterations):
            chosen = next(order, None)
            if chosen is None:
                order = iter(torch.randperm(len(recorded)).split(batch))
                chosen = next(order)
            target = recorded[chosen]
            x, other = network(2 * batch, n_steps).split(batch)
            loss = (transport(x, target, n_steps) + transport(other, target, n_steps)) / 2
            loss = loss - transport(x, other, n_steps) / 2
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimiser.step()
        return {
            "input": network.recurrent.weight_ih_l0.detach().numpy(),
            "recurrent": network.recurrent.weight_hh_l0.detach().numpy(),
            "readout": network.readout.detach().numpy(),
            "log_gain": network.log_gain.detach().numpy(),
        }

    return {"fit": fit, "about": lambda: {"threads": torch.get_num_threads()}}


if __name__ == "__main__":
    clock.run(prepare)
