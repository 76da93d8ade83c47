"""A linear recurrence over a whole sequence at once.

Blelloch, "Prefix Sums and Their Applications", 1990: neighbours are joined in pairs, the half as long recurrence
is solved, and the moments between are filled in; the work grows with T, the depth with log T. No factor is ever
divided by, so that what decays to nothing stays exact.
"""

import torch
from torch import Tensor


def linear_scan(factors: Tensor, terms: Tensor) -> Tensor:
    """Solve y_t = a_t y_{t-1} + b_t with y_{-1} = 0.

    Args:
        factors: a, (B, T, ...), real or complex; what y_{-1} would be multiplied by is never used.
        terms: b, (B, T, ...); a broadcasts to it.

    Returns:
        y, (B, T, ...).
    """
    length = terms.shape[1]
    if length == 1:
        return terms
    pairs = length // 2
    even_a, even_b = factors[:, 0::2], terms[:, 0::2]
    odd_a, odd_b = factors[:, 1::2], terms[:, 1::2]
    joined = torch.addcmul(odd_b, odd_a.expand_as(odd_b), even_b[:, :pairs])
    odd = linear_scan(odd_a * even_a[:, :pairs], joined)
    later = even_b.shape[1] - 1
    filled = torch.addcmul(even_b[:, 1:], even_a[:, 1:].expand_as(even_b[:, 1:]), odd[:, :later])
    even = torch.cat([even_b[:, :1], filled], dim=1)
    solved = torch.stack([even[:, :pairs], odd], dim=2).flatten(1, 2)
    return solved if length % 2 == 0 else torch.cat([solved, even[:, -1:]], dim=1)
