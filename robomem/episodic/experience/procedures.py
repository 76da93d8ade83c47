"""How a task is done, distilled from what worked: pure functions on plans and on counts.

A skeleton is what plans have in common: their common subsequence, one after the other (Memp's "build" step, Fang
et al., "Memp: exploring agent procedural memory", 2025, without a language model). Where two steps come in another
order in two plans, the one that more plans have stays.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce

Z = 1.645  # of a normal distribution: one-sided 95 %


@dataclass(frozen=True, slots=True)
class Procedure:
    """Steps that did a task, and how often they did.

    Attributes:
        procedure_id: Its number.
        task: What it does.
        steps: In order.
        version: 1, and one more each time one is born again after it was deprecated.
        supersedes: The version before.
        successes: Experiences that followed it and succeeded,
        failures: and those that failed.
        trust: Lower bound of its rate of success, see `wilson_bounds`.
        born_ns: When it was distilled.
        deprecated_ns: When it was given up; never taken back.
    """

    procedure_id: int
    task: str
    steps: tuple[str, ...]
    version: int
    supersedes: int | None
    successes: int
    failures: int
    trust: float
    born_ns: int
    deprecated_ns: int | None

    @property
    def is_active(self) -> bool:
        """Whether it may be acted on."""
        return self.deprecated_ns is None


def wilson_bounds(successes: int, count: int, *, z: float = Z) -> tuple[float, float]:
    """Return the bounds of a rate of success of which so many trials are known; (0, 1) with none.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not count:
        return 0.0, 1.0
    rate, spread = successes / count, z * z / count
    centre = (rate + spread / 2) / (1 + spread)
    reach = z * ((rate * (1 - rate) + spread / 4) / count) ** 0.5 / (1 + spread)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def is_failing(outcomes: Sequence[bool], *, recent: int, min_rate: float) -> bool:
    """Tell whether a procedure is to be given up, by its outcomes in order.

    It is when the upper bound of the rate of its last `recent` uses is below `min_rate`, or below the lower
    bound of all uses before: the world has changed.
    """
    before, last = outcomes[:-recent], outcomes[-recent:]
    was_at_least, _ = wilson_bounds(sum(before), len(before))
    _, is_at_most = wilson_bounds(sum(last), len(last))
    return is_at_most < max(min_rate, was_at_least)


def follows(plan: Sequence[str], steps: Sequence[str], *, overlap: float) -> bool:
    """Tell whether a plan does all the steps in order, and little else: they are `overlap` of it or more."""
    return len(steps) >= overlap * len(plan) and len(common_steps(plan, steps)) == len(steps)


def skeleton(
    plans: Iterable[Sequence[str]], *, count: int, overlap: float
) -> tuple[tuple[str, ...], list[int]]:
    """Return what the first plan and the next few like it have in common, and which these are.

    Args:
        plans: In order.
        count: So many plans at most.
        overlap: A plan is like them when what would be left is this part or more of each.
    """
    first, *others = plans
    steps, joined, members = tuple(first), [0], [first]
    for number, plan in enumerate(others, start=1):
        common = common_steps(steps, plan)
        if len(joined) < count and len(common) >= overlap * max(map(len, (*members, plan))):
            steps = common
            joined.append(number)
            members.append(plan)
    weights = Counter(key for plan in members for key in {key_of(step) for step in plan})
    likely = reduce(partial(common_steps, weights=weights), members, tuple(first))
    return max(likely, steps, key=len), joined


def common_steps(
    a: Sequence[str], b: Sequence[str], *, weights: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Return the longest common subsequence of two plans, as written in the first.

    Wagner and Fischer, "The string-to-string correction problem", 1974.

    Args:
        a: A plan; steps are compared as `key_of`.
        b: Another.
        weights: How much each step counts, by its key: the heaviest common subsequence then.
    """
    keys_a, keys_b = [key_of(step) for step in a], [key_of(step) for step in b]
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]  # [i][j]: of a[i:] and b[j:]
    for i in reversed(range(len(a))):
        weight = 1 if weights is None else weights[keys_a[i]]
        for j in reversed(range(len(b))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1])
            if keys_a[i] == keys_b[j]:
                best[i][j] = max(best[i][j], weight + best[i + 1][j + 1])
    return tuple(a[i] for i in _path(best, keys_a, keys_b))


def key_of(text: str) -> str:
    """Return a task or a step as they are compared: without case, articles and how it is spaced."""
    return " ".join(word for word in text.casefold().split() if word not in ("a", "an", "the"))


def _path(best: list[list[int]], keys_a: list[str], keys_b: list[str]) -> list[int]:
    """Follow what was best from the beginning; returns the rows of `a` that are common."""
    i = j = 0
    path = []
    while i < len(keys_a) and j < len(keys_b):
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            path.append(i)
            i, j = i + 1, j + 1
    return path
