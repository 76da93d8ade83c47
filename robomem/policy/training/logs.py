"""What happened at each step: a CSV file, and TensorBoard where it is wanted."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from robomem.errors import MissingExtraError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

COLUMNS = (
    "step", "cpu_s", "loss", "auxiliary", "attention", "agreement", "learning_rate", "gradient_norm",
)  # fmt: skip


class TrainingLog:
    """Rows of one run; begun again at an earlier step, it forgets what came after that."""

    def __init__(self, folder: Path, *, step: int, with_tensorboard: bool = False) -> None:
        path = folder / "log.csv"
        kept = _rows_until(path, step) if step else []
        self._file = path.open("w", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, COLUMNS)
        self._rows.writeheader()
        self._rows.writerows(kept)
        self._board = _tensorboard(folder, step) if with_tensorboard else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step, by the names of `COLUMNS`."""
        self._rows.writerow({"step": step, **{n: f"{value:.6g}" for n, value in values.items()}})
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def flush(self) -> None:
        """Make what was written readable by others."""
        self._file.flush()


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        # A process that was killed may have left the beginning of a row at the end.
        whole = [row for row in csv.DictReader(file) if None not in row.values()]
    return [row for row in whole if int(row["step"]) <= step]


def _tensorboard(folder: Path, step: int) -> "SummaryWriter":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as err:
        raise MissingExtraError(f"no TensorBoard ({err}): pip install tensorboard") from err
    return SummaryWriter(str(folder), purge_step=step + 1)
