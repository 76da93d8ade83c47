"""The peak memory of one way to make chunks: `python -m robomem.eval.policy_peak FOLDER NAME` prints the bytes."""

import sys
from pathlib import Path

from robomem.eval.measure import peak_bytes
from robomem.policy.contenders import CONTENDERS

STEPS, CHUNKS = 4, 10


def run(folder: Path, name: str) -> int:
    """Make some chunks; return the peak memory in bytes."""
    contender = next(each for each in CONTENDERS if each.name == name)
    chunk = contender.load(folder, steps=STEPS)
    for _ in range(CHUNKS):
        chunk()
    return peak_bytes()


if __name__ == "__main__":
    sys.stdout.write(f"{run(Path(sys.argv[1]), sys.argv[2])}\n")
