"""RememberColor of MIKASA-Robo: a cube is shown, nothing for a while, then all: touch the one that was shown.

Cherepanov et al., "Memory, benchmark & robots", ICLR 2026; tried with mikasa-robo-suite 1.0.0, ManiSkill 3.0.1 and
SAPIEN 3.0.3 on a CPU, without a renderer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.errors import ConfigError
from robomem_sim.tasks.task import Array, Task, check_whole, checked_motion
from robomem_sim.tasks.third_party import third_party

INSTALL = "mani-skill 'torch==2.13.0', then pip install --no-deps mikasa-robo-suite"
MATERIALS = "sapien.render", "sapien.pysapien.render", "sapien.wrapper.urdf_loader"
COLOURS = 3, 5, 9
JOINTS, AXES = 9, 4  # of a Panda with its two fingers; of an action: x, y, z, fingers
REACH_M = 0.1  # what an action of 1 moves the tip by
GONE_M = 10.0  # the suite hides a cube by lifting it up to 1 km
ABOVE, ARRIVED_M = np.array([0.0, 0.0, 0.03]), 0.01  # where the tip rests, above a cube's middle
LONGEST_DELAY = 1000
STEPS_BUT_DELAY = 55  # of an episode: the suite gives 60 with its own delay of 5
SEEDS = 2**31


class MikasaRememberColor(Task[Array]):
    """The suite's state holds the answer at every moment; here it holds what a camera could tell.

    The score is 1 where the tip rests within 5 cm of the right cube in time. Until all cubes are shown the arm stays
    where it is, whatever the action.
    State: the joints (9, in half turns), the tip (3, metres in map), whether all are shown, and of each colour
    whether its cube is in sight and where (4 each, metres in map).

    Attributes:
        colours: how many there are: 3, 5 or 9.
    """

    step_s = 0.05  # ManiSkill's control runs at 20 Hz

    def __init__(self, *, colours: int = 3, delay_steps: int = 5) -> None:
        if colours not in COLOURS:
            raise ConfigError(f"colours is one of {COLOURS}, got {colours!r}")
        check_whole("delay_steps", delay_steps, least=0, greatest=LONGEST_DELAY)
        box = spaces.Box(-1.0, 1.0, (AXES,), dtype=np.float32)
        super().__init__(state_size=JOINTS + 4 + 4 * colours, action_space=box)
        third_party("mikasa_robo_suite.rl.memory_envs", install=INSTALL)
        self.colours = colours
        with _nothing_drawn():
            self._game = gymnasium.make(
                f"RememberColor{colours}-v0",
                disable_env_checker=True,
                max_episode_steps=STEPS_BUT_DELAY + delay_steps,
                num_envs=1,
                obs_mode="state_dict",
                control_mode="pd_ee_delta_pos",
                sim_backend="cpu",
                render_backend="none",
                delta_time=delay_steps,
            )

    @property
    def oracle_score(self) -> float:
        """Return 1."""
        return 1.0

    @property
    def chance_score(self) -> float:
        """Return 1 of the colours."""
        return 1.0 / self.colours

    def expert_action(self) -> Array:
        """Go to the cube that was shown."""
        return self._reach(self._shown)

    def guess_action(self) -> Array:
        """Go to any cube, the same throughout."""
        return self._reach(self._guess)

    def close(self) -> None:
        """End the simulator."""
        self._game.close()

    def _reach(self, colour: int) -> Array:
        action = np.array([0, 0, 0, 1], dtype=np.float32)
        if self._is_scored():
            way = self._cube(colour) + ABOVE - self._tip()
            action[:3] = np.clip(way / REACH_M, -1, 1) if np.linalg.norm(way) > ARRIVED_M else 0.0
        return action

    def _begin(self, rng: Generator) -> None:
        self._game.reset(seed=int(rng.integers(SEEDS)))
        self._guess = int(rng.integers(self.colours))
        self._shown = int(_numbers(self._suite.true_color_indices)[0])

    @property
    def _suite(self) -> Any:
        return self._game.unwrapped

    def _tip(self) -> NDArray[np.float64]:
        return _numbers(self._suite.agent.tcp.pose.p)

    def _cube(self, colour: int) -> NDArray[np.float64]:
        return _numbers(self._suite.cubes[colour].pose.p)

    def _state(self) -> Array:
        joints = _numbers(self._suite.agent.robot.get_qpos()) / np.pi
        seen = np.zeros((self.colours, 4))
        for colour in range(self.colours):
            if (cube := self._cube(colour))[2] < GONE_M:
                seen[colour] = 1.0, *cube
        state = np.concatenate([joints, self._tip(), [self._is_scored()], seen.ravel()])
        return state.astype(np.float32).clip(-1, 1)

    def _position(self) -> Array:
        return self._tip().astype(np.float32)

    def _is_scored(self) -> bool:
        return self.moment >= self._opens_at()

    def _opens_at(self) -> int:
        return int(self._suite.TIME_OFFSET + self._suite.DELTA_TIME)

    def _depends_on(self) -> tuple[int, ...]:
        return tuple(range(self._suite.TIME_OFFSET))

    def _checked(self, action: Array) -> Array:
        return checked_motion(action, AXES)

    def _act(self, action: Array) -> tuple[float, bool]:
        still = np.array([0, 0, 0, 1], dtype=np.float32)
        *_, terminated, truncated, info = self._game.step(action if self._is_scored() else still)
        if self.moment + 1 == self._opens_at():
            self._lay_out()
        is_right = bool(_numbers(info["success"])[0]) and self._is_scored()
        return float(is_right), is_right or bool(terminated) or bool(truncated)

    def _lay_out(self) -> None:
        """Put all cubes on the table, at rest.

        The suite hides a cube where it looks for it: on a GPU in a copy of the poses, on a CPU in the simulation
        itself, where none would ever come down.
        """
        pose = third_party("sapien", install=INSTALL).Pose
        for colour, cube in self._suite.cubes.items():
            cube.pose = pose(p=_numbers(self._suite.initial_poses[colour]))
            cube.linear_velocity = cube.angular_velocity = np.zeros(3)


@contextmanager
def _nothing_drawn() -> Iterator[None]:
    """Let a scene be built where there is no Vulkan driver.

    Told to draw nothing, ManiSkill leaves out what is for the eye only; SAPIEN makes its materials all the same,
    which fails without a driver.
    """
    places = [third_party(name, install=INSTALL) for name in MATERIALS]
    kept = [place.RenderMaterial for place in places]
    try:
        for place in places:
            place.RenderMaterial = _Undrawn
        yield
    finally:
        for place, material in zip(places, kept, strict=True):
            place.RenderMaterial = material


class _Undrawn:
    """A material that nobody sees."""

    def __init__(self, **_: Any) -> None:
        pass


def _numbers(batch: Any) -> NDArray[np.float64]:
    """Return the numbers of the only environment of a batch, (D,)."""
    return np.atleast_1d(np.asarray(batch, dtype=np.float64)[0])
