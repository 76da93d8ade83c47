"""Whether an exported policy still does its task: the test that int8 has to stand."""

from collections.abc import Mapping

import numpy as np

from robomem.policy.export.int8 import SuccessTest
from robomem.policy.runtime.policy import RuntimePolicy
from robomem.policy.training.demonstrations import FIRST_TEST_SEED
from robomem.policy.training.settings import Setting
from robomem.policy.training.tasks import make_task


def score(
    policy: RuntimePolicy, task: str, settings: Mapping[str, Setting], *, episodes: int
) -> float:
    """Return the mean score of a policy that acts alone, in episodes that nothing was trained on."""
    env = make_task(task, settings)
    total = 0.0
    for number in range(episodes):
        policy.reset(seed=number)
        observation, _ = env.reset(seed=FIRST_TEST_SEED + number)
        is_over = False
        while not is_over:
            action = policy.select_action(observation)[0]
            is_choice = policy.manifest.action.dtype == "int64"
            observation, reward, is_ended, is_cut, _ = env.step(
                int(action[0]) if is_choice else action.astype(np.float32)
            )
            total += float(reward)
            is_over = is_ended or is_cut
    return total / episodes


def holds_up(
    task: str, settings: Mapping[str, Setting], *, episodes: int, may_lose: float
) -> SuccessTest:
    """Return the test that int8 scores no less than float32 but for so much, in the same episodes.

    Raises:
        MissingExtraError: Something that the task needs is not installed.
        ConfigError: There is no such task, or it does not take these settings.
    """
    make_task(task, settings).close()  # said before graphs are made for it

    def holds(exact: RuntimePolicy, quantised: RuntimePolicy) -> bool:
        wanted = score(exact, task, settings, episodes=episodes) - may_lose
        return score(quantised, task, settings, episodes=episodes) >= wanted

    return holds
