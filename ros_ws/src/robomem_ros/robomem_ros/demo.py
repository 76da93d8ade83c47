"""The demonstration over ROS 2: what the simulated robot perceives travels to a memory node.

    python -m robomem_ros.demo --out out --seed 0

The simulator runs here, beside its truth; the memory node is a process of its own. Exits 0 only if
every answer was right and the robot arrived.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from robomem.errors import RobomemError

# ruff: noqa: T201 - a program prints
INTERRUPTED = 130
INTERRUPTED_TEXT = "\ninterrupted"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns the exit code."""
    options = _parser().parse_args(arguments)
    _on_signal(_leave)
    from robomem_ros.demonstration import run  # it takes seconds, and some imports hide exceptions

    _on_signal(_interrupt)
    try:
        return run(options.out, options.seed)
    except KeyboardInterrupt:
        print(INTERRUPTED_TEXT, file=sys.stderr)
        return INTERRUPTED
    except RobomemError as err:
        print(f"error: {err}\nthe logs are in {options.out}", file=sys.stderr)
        return err.exit_code


def _on_signal(handler: Callable[..., NoReturn]) -> None:
    signal.signal(signal.SIGINT, handler)  # also where a shell started this in the background
    signal.signal(signal.SIGTERM, handler)


def _leave(*_: object) -> NoReturn:
    print(INTERRUPTED_TEXT, file=sys.stderr)
    os._exit(INTERRUPTED)  # nothing was started yet


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m robomem_ros.demo", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    parser.add_argument("--seed", type=int, default=0, help="of the house and the noise")
    return parser


if __name__ == "__main__":
    sys.exit(main())
