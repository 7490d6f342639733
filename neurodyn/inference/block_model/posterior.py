"""What the data leave open: divisions drawn from the posterior of a block model."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.optimize import linear_sum_assignment

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.division import divided
from neurodyn.inference.block_model.graph import read_graph
from neurodyn.inference.block_model.moves import gibbs_sweep
from neurodyn.inference.block_model.partitions import overlap
from neurodyn.inference.block_model.terms import graph_terms
from neurodyn.inference.random import as_key, key_words

REFRESH = 20


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """Averages over divisions drawn from the posterior.

    Parameters
    ----------
    together : (node, node)
        Probability that two nodes share a group.
    marginals : (node, group)
        Probability that a node is in each group of the division the chain started from, every draw's groups matched to
        those by their overlap; rows sum to less than 1 where draws have more groups.
    n_groups : (draw,)
        Number of groups of each draw.
    description_lengths : (draw,)
        Nats of each draw.
    """

    together: Float[np.ndarray, "node node"]
    marginals: Float[np.ndarray, "node group"]
    n_groups: Int[np.ndarray, " draw"]
    description_lengths: Float[np.ndarray, " draw"]


def sample(
    adjacency: Shaped[np.ndarray, "..."],
    groups: Int[np.ndarray, " node"],
    *,
    key,
    topology: str = "bernoulli",
    weights: str = "exponential",
    draws: int = 200,
    burn_in: int = 50,
    keep_number: bool = False,
) -> Posterior:
    r"""Draw divisions from their posterior by giving each node in turn a group drawn given those of the others.

    .. math:: P(\text{division} \mid A, x) \propto B!\, e^{-L(b)}

    with `L` of `fitting.description_length`; :math:`B!` counts the ways to label one division. A chain of single moves
    explores the surroundings of its start; far divisions of the same probability need chains from other starts. Latent
    values of models that have them stay as fitted to the start.

    Parameters
    ----------
    adjacency : (node, node)
        Symmetric weights; 0 = no edge, NaN = not observed.
    groups : (node,)
        Division to start from, such as `fitting.fit`'s.
    key : int or jax.Array
        Randomness.
    topology : {"bernoulli", "degree-corrected"}
        Model of the edges.
    weights : {"exponential", "gaussian", "none"}
        Model of the weights.
    draws, burn_in : int
        Number of passes over all nodes that count, and of those before.
    keep_number : bool
        Whether the number of groups is that of the start.

    Returns
    -------
    Posterior
        Averages, and the trace.

    Raises
    ------
    ModelError
        If there is no draw, or as `fitting.description_length`.

    References
    ----------
    Peixoto (2020), Physical Review E 102, 012305, doi:10.1103/PhysRevE.102.012305.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.posterior import sample
    >>> cliques = np.kron(np.eye(2), np.ones((8, 8)))
    >>> drawn = sample(cliques, np.repeat([0, 1], 8), key=0, weights="none", draws=20, burn_in=0)
    >>> bool(drawn.together[0, 7] > 0.9 > 0.1 > drawn.together[0, 8])
    True
    """
    if draws < 1 or burn_in < 0:
        raise ModelError(f"draws is {draws} and burn_in {burn_in}; they must be at least 1 and 0.")
    terms = graph_terms(read_graph(adjacency), topology, weights, groups)
    if len(groups) != terms.n_nodes:
        raise ModelError(f"groups has {len(groups)} entries; the adjacency has {terms.n_nodes} nodes.")
    blocks, rng = divided(terms, groups), np.random.default_rng(key_words(as_key(key)))
    start = blocks.groups.copy()
    together = np.zeros((len(start), len(start)))
    marginals = np.zeros((len(start), int(start.max()) + 1))
    numbers, lengths = [], []
    for step in range(burn_in + draws):
        gibbs_sweep(blocks, rng, labelled=False, keep_number=keep_number)
        if step % REFRESH == 0:
            blocks.refresh()
        if step < burn_in:
            continue
        now = blocks.groups
        together += now[:, None] == now
        for theirs, ours in zip(*linear_sum_assignment(-overlap(now, start)), strict=True):
            marginals[:, ours] += now == theirs
        numbers.append(blocks.n_groups)
        lengths.append(blocks.description_length())
    return Posterior(together / draws, marginals / draws, np.array(numbers), np.array(lengths))
