"""A cabinet of drawers: some were searched while one looked on, the thing is in one of the others."""

import numpy as np
from numpy.random import Generator

from robomem_sim.tasks.gripper import ARRIVED_M, CLOSE, OPEN, WIDEST_M, Vector
from robomem_sim.tasks.raster import BALL, CLOTH, Canvas, Image
from robomem_sim.tasks.rooms import lucky_search
from robomem_sim.tasks.script import blank
from robomem_sim.tasks.table import TableTask
from robomem_sim.tasks.task import Array, check_whole

MOST_DRAWERS, LONGEST_DELAY, COLUMNS = 9, 10_000, 3
PITCH_M, LOWEST_M, HANDLE_Y_M = 0.2, 0.1, 0.28  # from drawer to drawer; the handle of a shut one
HANDLE_M, ALIGNED_M = 0.02, 0.025  # its thickness; how near to it the tip has to be
OPEN_M = 0.15  # so far out, what is inside is seen
SHOWN_M = 0.075, 0.15, 0.075, 0.0  # how far a drawer is out while it is shown
RETREAT_STEPS, REACH_STEPS = 6, 50  # of a drawer
BEFORE_M = 0.08  # the tip comes from that far before a handle

WALL, FRONT, KNOB, INSIDE = (222, 216, 206), (150, 111, 74), (90, 66, 44), (236, 226, 196)


class DrawerSearch(TableTask):
    """Find the thing in a cabinet: pull drawers open, one after the other, and none that is known to be empty.

    Before, some drawers are seen to be opened, and empty; then the view is covered. A drawer slides shut by itself
    and the arm goes back to where it began, so that nothing at hand tells which were searched. The score is
    1 where the thing is found; it is 0 after a drawer known to be empty was opened, or 50 moments for
    each unknown drawer. The expert takes them in their order. Contacts: a handle within 2.5 cm of the tip is
    held where the fingers close to its 2 cm; the drawer follows the tip's y, 15 cm are open; where the tip leaves
    the handle's line by more than 2.5 cm, or the fingers open, it slides shut.
    Seen: how far each drawer is out (metres, drawers), whether the thing is in sight.

    Attributes:
        drawers: how many there are, in rows of three.
        searched: how many of them are seen to be empty.
    """

    def __init__(
        self, *, drawers: int = 6, searched: int = 3, delay_steps: int = 8, images: bool = False
    ) -> None:
        check_whole("drawers", drawers, least=2, greatest=MOST_DRAWERS)
        check_whole("searched", searched, least=0, greatest=drawers - 1)
        check_whole("delay_steps", delay_steps, least=0, greatest=LONGEST_DELAY)
        super().__init__(seen_size=drawers + 1, delay_steps=delay_steps, images=images)
        self.drawers, self.searched = drawers, searched
        self._handles = np.array([_handle_of(drawer) for drawer in range(drawers)])  # (drawers, 3)

    @property
    def chance_score(self) -> float:
        """Return the chance of a lucky search."""
        return lucky_search(self.drawers, closed=self.drawers - self.searched)

    def expert_action(self) -> Array:
        """Pull at the first drawer that is not known to be empty."""
        return self._pull(min(set(range(self.drawers)) - self._empty.keys()))

    def guess_action(self) -> Array:
        """Pull at any drawer, at another whenever the arm is back."""
        return self._pull(self._guesses[len(self._empty) - self.searched])

    def _pull(self, drawer: int) -> Array:
        if not self._is_scored():
            return np.zeros(4, dtype=np.float32)
        gripper, handle = self.gripper, self._handles[drawer]
        if self._held is not None:
            return gripper.toward(gripper.tip - [0.0, OPEN_M, 0.0], grip=CLOSE)
        if gripper.is_at(handle):
            return gripper.toward(handle, grip=CLOSE)
        x_m, y_m, z_m = gripper.tip
        if np.hypot(x_m - handle[0], z_m - handle[2]) <= ARRIVED_M:
            return gripper.toward(handle, grip=OPEN)
        before_y = handle[1] - BEFORE_M
        # Back off before going sideways, out of the way of other handles.
        is_near = y_m > before_y + ARRIVED_M
        before = (x_m, before_y, z_m) if is_near else (handle[0], before_y, handle[2])
        return gripper.toward(np.array(before), grip=OPEN)

    def _show(self, rng: Generator) -> Array:
        order = rng.permutation(self.drawers).tolist()
        self._place: int = order[-1]
        self._guesses: list[int] = rng.integers(self.drawers, size=self.drawers).tolist()
        self._empty = {  # moment at which it was seen, by drawer
            drawer: len(SHOWN_M) * turn + SHOWN_M.index(OPEN_M)
            for turn, drawer in enumerate(order[: self.searched])
        }
        self._home, self._retreat_steps = self.gripper.tip.copy(), 0
        self._held: int | None = None
        self._out_m = np.zeros(self.drawers)
        shown = blank(len(SHOWN_M) * self.searched, self.seen_size)
        for turn, drawer in enumerate(order[: self.searched]):
            shown[len(SHOWN_M) * turn :, drawer][: len(SHOWN_M)] = SHOWN_M
        return shown

    def _is_scored(self) -> bool:
        return super()._is_scored() and self._retreat_steps == 0

    def _seen(self) -> Array:
        is_in_sight = self._out_m[self._place] >= OPEN_M
        return np.array([*self._out_m, is_in_sight], dtype=np.float32)

    def _handle(self, action: Array) -> tuple[float, bool]:
        gripper = self.gripper
        tip = gripper.next_tip(action)
        tip[1] = min(tip[1], HANDLE_Y_M)  # the fronts are in the way
        drawer = self._at_hand(tip)
        holds = gripper.move_fingers(action, width_m=0.0 if drawer is None else HANDLE_M)
        self._held = drawer if holds else None
        self._out_m[:] = 0.0
        if self._held is not None:
            tip[1] = max(tip[1], HANDLE_Y_M - OPEN_M)  # further out it does not go
            self._out_m[self._held] = HANDLE_Y_M - tip[1]
        gripper.tip = tip
        is_late = self.moment + 1 >= len(self._shown) + REACH_STEPS * (self.drawers - self.searched)
        return self._look(is_late=is_late)

    def _at_hand(self, tip: Vector) -> int | None:
        """Return the drawer whose handle is between the fingers, or the one that they pull."""
        if self._held is not None:
            x_m, _, z_m = self._handles[self._held] - tip
            return self._held if np.hypot(x_m, z_m) <= ALIGNED_M else None
        off_m = np.linalg.norm(self._handles - tip, axis=1)
        nearest = int(off_m.argmin())
        return nearest if off_m[nearest] <= ALIGNED_M else None

    def _look(self, *, is_late: bool) -> tuple[float, bool]:
        """Return what it is worth that a drawer is open now, and whether the episode is over."""
        drawer = self._held
        if drawer is None or self._out_m[drawer] < OPEN_M:
            return 0.0, is_late
        if drawer == self._place or drawer in self._empty:
            return float(drawer == self._place), True
        self._empty[drawer] = self.moment + 1
        self._held, self._retreat_steps = None, RETREAT_STEPS
        return 0.0, is_late

    def _wait(self) -> None:
        """Let the arm go back to where it began, and the drawer slide shut."""
        if self._retreat_steps == 0:
            return
        left = (self._retreat_steps - 1) / self._retreat_steps
        self.gripper.tip = self._home + left * (self.gripper.tip - self._home)
        self.gripper.opening_m = WIDEST_M
        self._out_m *= left
        self._retreat_steps -= 1

    def _depends_on(self) -> tuple[int, ...]:
        return tuple(self._empty.values())

    def _picture(self, seen: Array, *, is_covered: bool) -> Image:
        """Draw it from the front; of a drawer that is out, its inside shows above its front."""
        canvas = Canvas((0.0, 0.3), half_m=0.36, colour=CLOTH if is_covered else WALL)
        if not is_covered:
            *out_m, is_in_sight = seen.tolist()
            for (x_m, _, z_m), out in zip(self._handles.tolist(), out_m, strict=True):
                low, high = z_m - 0.45 * PITCH_M, z_m + 0.45 * PITCH_M
                left, right = x_m - 0.45 * PITCH_M, x_m + 0.45 * PITCH_M
                canvas.box((left, low), (right, high), INSIDE)
                canvas.box((left, low), (right, high - out / 2), FRONT)
                canvas.disc((x_m, z_m - out / 4), radius_m=HANDLE_M, colour=KNOB)
                if is_in_sight and out > 0:
                    canvas.disc((x_m, high - out / 4), radius_m=out / 5, colour=BALL)
        tip_x, _, tip_z = self.gripper.tip
        canvas.hand((tip_x, tip_z), opening_m=self.gripper.opening_m)
        return canvas.image


def _handle_of(drawer: int) -> tuple[float, float, float]:
    """Return where the handle of a shut drawer is, (3,) metres in map."""
    row, column = divmod(drawer, COLUMNS)
    return (column - (COLUMNS - 1) / 2) * PITCH_M, HANDLE_Y_M, LOWEST_M + row * PITCH_M
