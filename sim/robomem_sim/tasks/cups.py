"""Cups on a table: one covers a ball, some change places, and the gripper lifts the one with the ball."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem_sim.tasks.gripper import ARRIVED_M, CLOSE, OPEN, UP, WIDEST_M, Vector
from robomem_sim.tasks.raster import BALL, CLOTH, TABLE, Canvas, Image
from robomem_sim.tasks.table import TableTask
from robomem_sim.tasks.task import Array, check_whole

MOST_CUPS, MOST_SWAPS, LONGEST_DELAY = 5, 100, 10_000
CUP_WIDTH_M, CUP_HEIGHT_M, BALL_M = 0.07, 0.09, 0.04
SPACING_M, ROW_Y_M = 0.16, 0.15
JITTER_M = 0.015  # of a cup's place, along x and y
RAISED_M = 0.15  # height of the cups' rims while the ball is shown
SHOWN_STEPS, COVER_STEPS, SWAP_STEPS, REACH_STEPS = 4, 4, 8, 60

HOVER_M, GRASP_M = 0.14, 0.03  # heights of the tip
GRASPED_BELOW_M = 0.05
ALIGNED_M = 0.02  # a cup fits between the fingers if the tip is that near to its axis
FINGERS_M = (CUP_WIDTH_M + WIDEST_M) / 2  # where else the fingers, as low as the cup, would hit it
LIFTED_M = 0.08  # the cup's height that counts

CUP, RIM = (52, 101, 164), (120, 160, 205)


class ShellReach(TableTask):
    """A ball is seen under one of the cups, they are lowered, some swap places, the view is covered: lift the right one.

    The score is 1 where the first cup that is lifted by 8 cm had the ball under it; it is 0 after a wrong one, or
    60 moments after the arm may move. Contacts: fingers that would hit a cup stay where they are; a cup fits between
    open fingers where the tip is within 2 cm of its axis, is held where they close below 5 cm, moves with the
    tip while it is held, and stands on the table again when they open.
    Seen: of each cup where it is (x, y, and z of its rim; cups), of the ball whether it is in sight, x and y. Cups look
    alike: they are told from the left to the right, so that one has to follow them through a swap.

    Attributes:
        cups: how many there are.
        swaps: how many pairs swap places, one after the other.
    """

    def __init__(
        self, *, cups: int = 3, swaps: int = 1, delay_steps: int = 16, images: bool = False
    ) -> None:
        check_whole("cups", cups, least=2, greatest=MOST_CUPS)
        check_whole("swaps", swaps, least=0, greatest=MOST_SWAPS)
        check_whole("delay_steps", delay_steps, least=0, greatest=LONGEST_DELAY)
        super().__init__(seen_size=3 * cups + 3, delay_steps=delay_steps, images=images)
        self.cups, self.swaps = cups, swaps

    @property
    def chance_score(self) -> float:
        """Return 1 of the cups."""
        return 1.0 / self.cups

    def expert_action(self) -> Array:
        """Reach for the cup with the ball, from above, close the fingers and lift."""
        return self._reach(self._ball)

    def guess_action(self) -> Array:
        """Reach for any cup, the same throughout."""
        return self._reach(self._guess)

    def _reach(self, cup: int) -> Array:
        if not self._is_scored():
            return np.zeros(4, dtype=np.float32)
        gripper, (x, y, _) = self.gripper, self._cups[cup]
        above, below = np.array([x, y, HOVER_M]), np.array([x, y, GRASP_M])
        if self._held is not None:
            return gripper.toward(gripper.tip + HOVER_M * UP, grip=CLOSE)
        if gripper.is_at(below):
            return gripper.toward(below, grip=CLOSE)
        off_m = float(np.hypot(*(gripper.tip - above)[:2]))
        if off_m <= ARRIVED_M:
            return gripper.toward(below, grip=OPEN)
        is_low = gripper.tip[2] < CUP_HEIGHT_M + ARRIVED_M
        return gripper.toward(np.array([*gripper.tip[:2], HOVER_M]) if is_low else above, grip=OPEN)

    def _show(self, rng: Generator) -> Array:
        self._ball, self._guess = (int(cup) for cup in rng.integers(self.cups, size=2))
        self._held: int | None = None
        columns = np.arange(self.cups) - (self.cups - 1) / 2
        self._cups = np.stack(
            [columns * SPACING_M, np.full(self.cups, ROW_Y_M), np.zeros(self.cups)], axis=1
        )
        self._cups[:, :2] += rng.uniform(-JITTER_M, JITTER_M, (self.cups, 2))
        lowered = np.arange(COVER_STEPS)[::-1] / COVER_STEPS
        rims_m = RAISED_M * np.concatenate([np.ones(SHOWN_STEPS), lowered])
        frames = [self._seen_of(self._cups + rim_m * UP) for rim_m in rims_m]
        for _ in range(self.swaps):
            frames += self._swap(rng.permutation(self.cups)[:2])
        return np.array(frames, dtype=np.float32)

    def _swap(self, pair: NDArray[np.int64]) -> list[Array]:
        """Let two cups change places, each on half a circle; return what is seen of it."""
        frames, before = [], self._cups[pair, :2]
        middle, arm = before.mean(axis=0), (before[1] - before[0]) / 2
        across = np.array([-arm[1], arm[0]])
        for step in range(1, SWAP_STEPS + 1):
            angle = np.pi * step / SWAP_STEPS
            turned = np.cos(angle) * arm + np.sin(angle) * across
            self._cups[pair, :2] = middle - turned, middle + turned
            frames.append(self._seen_of(self._cups))
        return frames

    def _seen(self) -> Array:
        return self._seen_of(self._cups)

    def _seen_of(self, cups: NDArray[np.float64]) -> Array:
        x_m, y_m, rim_m = cups[self._ball]
        ball = (1.0, x_m, y_m) if rim_m > BALL_M else (0.0, 0.0, 0.0)
        in_order = cups[np.argsort(cups[:, 0], kind="stable")]
        return np.array([*in_order.ravel(), *ball], dtype=np.float32)

    def _handle(self, action: Array) -> tuple[float, bool]:
        gripper, held = self.gripper, self._held
        tip = gripper.next_tip(action)
        if held is None and self._hits(tip):
            tip = gripper.tip
        cup = self._between(tip) if held is None else held
        holds = gripper.move_fingers(action, width_m=0.0 if cup is None else CUP_WIDTH_M)
        if held is not None:
            self._cups[held] += tip - gripper.tip if holds else [0.0, 0.0, -self._cups[held, 2]]
        gripper.tip = tip
        self._held = cup if holds else None
        return self._judge()

    def _judge(self) -> tuple[float, bool]:
        """Return what it is worth that a cup is where it is now, and whether the episode is over."""
        is_lifted = self._held is not None and self._cups[self._held, 2] >= LIFTED_M
        is_late = self.moment + 1 >= len(self._shown) + REACH_STEPS
        return float(is_lifted and self._held == self._ball), is_lifted or is_late

    def _hits(self, tip: Vector) -> bool:
        """Return whether fingers at that tip would be where a cup is."""
        if tip[2] >= CUP_HEIGHT_M:
            return False
        off_m = np.hypot(*(self._cups[:, :2] - tip[:2]).T)
        fits = (off_m <= ALIGNED_M) & (self.gripper.opening_m > CUP_WIDTH_M)
        return bool(((off_m < FINGERS_M) & ~fits).any())

    def _between(self, tip: Vector) -> int | None:
        """Return the cup that is between the fingers, low enough to be held."""
        off_m = np.hypot(*(self._cups[:, :2] - tip[:2]).T)
        nearest = int(off_m.argmin())
        return nearest if off_m[nearest] <= ALIGNED_M and tip[2] <= GRASPED_BELOW_M else None

    def _depends_on(self) -> tuple[int, ...]:
        return tuple(range(len(self._shown) - self.delay_steps))

    def _picture(self, seen: Array, *, is_covered: bool) -> Image:
        """Draw it from above."""
        canvas = Canvas((0.0, 0.05), half_m=0.4, colour=CLOTH if is_covered else TABLE)
        if not is_covered:
            *cups, (is_in_sight, *ball) = seen.reshape(-1, 3).tolist()
            for x_m, y_m, rim_m in cups:  # what is raised is nearer, and drawn further back
                canvas.disc((x_m, y_m + rim_m), radius_m=CUP_WIDTH_M / 2, colour=CUP)
                canvas.disc((x_m, y_m + rim_m), radius_m=CUP_WIDTH_M / 4, colour=RIM)
            if is_in_sight:
                canvas.disc((ball[0], ball[1]), radius_m=BALL_M, colour=BALL)
        tip_x, tip_y, _ = self.gripper.tip
        canvas.hand((tip_x, tip_y), opening_m=self.gripper.opening_m)
        return canvas.image
