"""Which strategy to follow, learnt while the robot lives.

Every question tells for every strategy whether the answer would still be there had it been in charge. The weights are Hedge's
(Freund and Schapire, 1997), with a part of all weight shared out anew each time, so that the best strategy of
another time is found soon: Fixed Share (Herbster and Warmuth, "Tracking the Best Expert", 1998). They vote: what goes is what
has the highest mean rank in their orders, weighted. To draw one of them each time instead, as Hedge may, lost more, since what
goes is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from robomem.episodic.retention.shelf import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class FixedShare:
    """The weights of strategies, (P,), which sum to one.

    Attributes:
        rate: How much a loss costs: the eta of Hedge.
        share: The part of the weight that is shared out anew: the alpha of Fixed Share.
    """

    weights: Floats
    rate: float
    share: float

    def after(self, losses: Floats) -> "FixedShare":
        """Return the learner after losses (P,) in [0, 1]."""
        kept = self.weights * np.exp(-self.rate * losses)
        kept /= kept.sum()
        return replace(self, weights=(1.0 - self.share) * kept + self.share / len(kept))

    def vote(self, orders: Sequence[Ints]) -> Ints:
        """Return one order from the orders (N,) of all strategies: by the weighted mean of the ranks.

        Ties go to the order of the first.
        """
        ranks = np.zeros(len(orders[0]))
        for weight, order in zip(self.weights, orders, strict=True):
            ranks[order] += weight * np.arange(len(order))
        return orders[0][np.argsort(ranks[orders[0]], kind="stable")]
