"""The cups on the table in MuJoCo: with masses, friction and forces. Todorov et al., "MuJoCo", IROS 2012."""

from typing import Any

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.cups import ALIGNED_M, CUP_HEIGHT_M, CUP_WIDTH_M, GRASPED_BELOW_M, ShellReach
from robomem_sim.tasks.gripper import CLOSING_M, LEAST, MOST, STEP_M, WIDEST_M
from robomem_sim.tasks.task import Array
from robomem_sim.tasks.third_party import third_party

TIMESTEP_S, SUBSTEPS = 0.004, 25  # 10 Hz
SLACK_M = 0.003  # how much wider than a cup the fingers are that hold it
LAG_M = 0.04  # the servos' goals run ahead of the hand by no more: what is in the way is pressed, not rammed
AXES, FINGERS = slice(0, 3), slice(3, 5)  # of joints and actuators: x, y, z, left, right
CUP_FREEDOMS = 7  # numbers of a free joint: where (3) and how turned (4)

MODEL = """
<mujoco>
  <option timestep="{timestep}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <default>
    <geom condim="4" friction="1.0 0.01 0.001" solref="0.008 1"/>
    <default class="axis"><joint damping="20"/><position kp="3000" kv="120"/></default>
    <default class="finger"><joint range="0 {half_open}" limited="true" damping="4"/>
      <position kp="600" kv="20" forcerange="-8 8"/>
      <geom type="box" size="0.006 0.012 0.03" mass="0.05"/></default>
  </default>
  <worldbody>
    <geom type="plane" size="1 1 0.1"/>
    <body name="hand" gravcomp="1">
      <joint name="x" class="axis" type="slide" axis="1 0 0"/>
      <joint name="y" class="axis" type="slide" axis="0 1 0"/>
      <joint name="z" class="axis" type="slide" axis="0 0 1"/>
      <geom type="box" size="0.07 0.015 0.01" pos="0 0 0.11" mass="0.6"/>
      <body gravcomp="1"><joint name="left" class="finger" type="slide" axis="-1 0 0"/>
        <geom class="finger" pos="-0.006 0 0.03"/></body>
      <body gravcomp="1"><joint name="right" class="finger" type="slide" axis="1 0 0"/>
        <geom class="finger" pos="0.006 0 0.03"/></body>
    </body>
    {cups}
  </worldbody>
  <actuator>
    <position class="axis" joint="x"/><position class="axis" joint="y"/><position class="axis" joint="z"/>
    <position class="finger" joint="left"/><position class="finger" joint="right"/>
  </actuator>
</mujoco>
"""
CUP = """<body name="cup{number}"><freejoint/>
  <geom type="cylinder" size="{radius} {half_height}" pos="0 0 {half_height}" mass="0.08"/></body>"""


class MujocoShellReach(ShellReach):
    """ShellReach with physics once the arm may move: servos of limited force, cups that slide, tip over and slip.

    The hand hangs from a gantry. A cup is a solid cylinder of 80 g: the ball is not simulated, the task knows whose it is.
    A cup counts as held while the fingers are about it and no wider apart than it is.
    """

    def __init__(
        self, *, cups: int = 3, swaps: int = 1, delay_steps: int = 16, images: bool = False
    ) -> None:
        super().__init__(cups=cups, swaps=swaps, delay_steps=delay_steps, images=images)
        self._engine = third_party("mujoco", install="mujoco-core")
        self._model = self._engine.MjModel.from_xml_string(_model_of(cups))
        self._data: Any = self._engine.MjData(self._model)

    def _begin(self, rng: Generator) -> None:
        super()._begin(rng)
        data = self._data
        self._engine.mj_resetData(self._model, data)
        self._goal = np.array([*self.gripper.tip, WIDEST_M])  # of the servos: the tip, the opening
        data.qpos[AXES], data.qpos[FINGERS] = self.gripper.tip, WIDEST_M / 2
        for cup, place in enumerate(self._cups):
            data.qpos[self._at(cup)] = place

    def _at(self, cup: int) -> slice:
        """Return where a cup's place is among the positions."""
        begin = FINGERS.stop + CUP_FREEDOMS * cup
        return slice(begin, begin + 3)

    def _handle(self, action: Array) -> tuple[float, bool]:
        gripper, data = self.gripper, self._data
        here = np.array([*gripper.tip, gripper.opening_m])
        self._goal[:3] += STEP_M * action[:3]
        self._goal[3] += CLOSING_M * float(action[3])
        self._goal = np.clip(self._goal, here - LAG_M, here + LAG_M)
        self._goal = np.clip(self._goal, [*LEAST, 0.0], [*MOST, WIDEST_M])
        data.ctrl[AXES], data.ctrl[FINGERS] = self._goal[:3], self._goal[3] / 2
        self._engine.mj_step(self._model, data, SUBSTEPS)
        gripper.tip = data.qpos[AXES].copy()
        gripper.opening_m = float(np.clip(data.qpos[FINGERS].sum(), 0.0, WIDEST_M))
        for cup in range(self.cups):
            self._cups[cup] = data.qpos[self._at(cup)]
        self._held = self._grasped()
        return self._judge()

    def _grasped(self) -> int | None:
        """Return the cup that the fingers are about, where they are pressed to it."""
        off_m = self._cups - self.gripper.tip
        nearest = int((off_m**2).sum(axis=1).argmin())
        is_between = (
            np.hypot(*off_m[nearest, :2]) <= ALIGNED_M and -off_m[nearest, 2] <= GRASPED_BELOW_M
        )
        is_pressed = self._goal[3] < self.gripper.opening_m <= CUP_WIDTH_M + SLACK_M
        return nearest if is_between and is_pressed else None


def _model_of(cups: int) -> str:
    """Return the description of a table with a gantry and cups."""
    half_height = CUP_HEIGHT_M / 2
    bodies = [
        CUP.format(number=n, radius=CUP_WIDTH_M / 2, half_height=half_height) for n in range(cups)
    ]
    return MODEL.format(timestep=TIMESTEP_S, half_open=WIDEST_M / 2, cups="\n".join(bodies))
