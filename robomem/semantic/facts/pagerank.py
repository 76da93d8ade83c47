"""Personalised PageRank: how near every node of a graph is to some of them, by random walks with restart.

Gutierrez et al., "HippoRAG: Neurobiologically Inspired Long-Term Memory for Large Language Models", 2024,
Section 2.3: the walks restart at the nodes of the question, and each of these counts the less the more
facts it is in (node specificity).
"""

import numpy as np
from numpy.typing import NDArray

RESTART = 0.5  # HippoRAG's
TOLERANCE = 1e-7  # sum of the absolute changes of one step
MAX_STEPS = 100


def pagerank(
    ends: NDArray[np.int64],
    *,
    nodes: int,
    seeds: NDArray[np.float64],
    restart: float = RESTART,
) -> NDArray[np.float64]:
    """Return the probability (nodes,) that a walk is at each node; it sums to one.

    Args:
        ends: The two nodes of each edge, (2, E); an edge is walked both ways.
        nodes: How many there are.
        seeds: Where walks restart, (nodes,) weights, one above zero at least. So do those that cannot go on.
        restart: How likely they do so at every step.
    """
    source, target = np.concatenate([ends, ends[::-1]], axis=1)
    degree = np.bincount(source, minlength=nodes)
    share = 1.0 / np.maximum(degree, 1)
    is_stuck = degree == 0
    seeds = seeds / seeds.sum()
    p = seeds
    for _ in range(MAX_STEPS):
        arrived = np.bincount(target, weights=(p * share)[source], minlength=nodes)
        stuck = float(p[is_stuck].sum())
        stepped = (1.0 - restart) * (arrived + stuck * seeds) + restart * seeds
        change = float(np.abs(stepped - p).sum())
        p = stepped
        if change < TOLERANCE:
            break
    return p
