"""Show what robomem does: a simulated robot remembers a house, is asked, and acts on the answers.

    python -m robomem_sim.demo --out out --seed 0

With ROS 2 installed the observations and the questions travel through the robomem node; without it,
or with --in-process, everything runs in this process. Exits 0 only if every answer was right.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from robomem.errors import RobomemError
from robomem.memory import Memory
from robomem_sim.report import Row, ask_all, conclude, table
from robomem_sim.run import Frame
from robomem_sim.scenario import EvidenceLike, Scenario

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns the exit code."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        if options.ros or (not options.in_process and _has_ros()):
            return _run_with_ros(options.out, options.seed)
        if not options.in_process:
            print("without ROS 2: running in one process")
        return run_in_process(options.out, options.seed)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except RobomemError as err:
        print(f"demo: {err}", file=sys.stderr)
        return err.exit_code


def run_in_process(out: Path, seed: int) -> int:
    """Run everything in this process; returns 0 when every answer was right, else 1.

    Args:
        out: Existing folder for `house.rmem` (an old one is replaced) and `top_view.png`.
        seed: Of the house and the noise.
    """
    scenario = Scenario(seed)
    path = remove_old(out)
    with Memory.open(path) as memory:
        _observe(memory, scenario.first_patrol(), "first patrol")
        _tell(memory, scenario)
        _observe(memory, scenario.second_patrol(), "second patrol")
        rows = list(ask_all(scenario, memory.ask))
        rows += conclude(memory, scenario, rows, out=out)
    return show(rows, out=out)


def remove_old(out: Path) -> Path:
    """Remove the memory of an earlier run; returns where the new one goes."""
    path = out / "house.rmem"
    if path.exists():
        shutil.rmtree(path)
    return path


def show(rows: Sequence[Row], *, out: Path) -> int:
    """Print every answer with its evidence, and the table; returns the exit code."""
    for row in rows:
        print(f"\n? {row.question}\n> {row.text}")
        for evidence in row.answer.evidence[:3] if row.answer else ():
            print(f"    {_describe(evidence)}")
    print(f"\n{table(rows)}\n")
    print(f"memory: {out / 'house.rmem'}\npicture: {out / 'top_view.png'}")
    return 0 if all(row.ok for row in rows) else 1


def _describe(evidence: EvidenceLike) -> str:
    when = datetime.fromtimestamp(evidence.stamp_ns // 10**9, UTC).strftime("%H:%M:%S")
    where = (
        "" if evidence.p_map is None else " at ({:.2f}, {:.2f}, {:.2f}) m".format(*evidence.p_map)
    )
    return f"{when}{where}"


def _observe(memory: Memory, frames: Iterable[Frame], name: str) -> None:
    count = sum(bool(memory.observe(frame.observation())) for frame in frames)
    print(f"{name}: {count} frames, {len(memory.entities())} things known")


def _tell(memory: Memory, scenario: Scenario) -> None:
    before = scenario.moved
    after = scenario.move()
    memory.observe(scenario.told.observation())
    print(f"meanwhile the {after.label} goes from the {before.room} to the {after.room},")
    print(f'and the robot is told: "{scenario.told.text}"')


def _has_ros() -> bool:
    """Tell whether ROS 2 and the messages can be imported; in another process, for it loads much.

    ROBOMEM_NO_ROS leaves ROS out, here as in the set-up.
    """
    if os.environ.get("ROBOMEM_NO_ROS"):
        return False
    command = [sys.executable, "-c", "import rclpy, robomem_msgs, robomem_ros"]
    found = subprocess.run(command, check=False, capture_output=True, env=os.environ)  # noqa: S603 (ours)
    return found.returncode == 0


def _run_with_ros(out: Path, seed: int) -> int:
    command = [sys.executable, "-m", "robomem_ros.demo", "--out", str(out), "--seed", str(seed)]
    return subprocess.run(command, check=False).returncode  # noqa: S603 (ours)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m robomem_sim.demo", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    parser.add_argument("--seed", type=int, default=0, help="of the house and the noise")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--in-process", action="store_true", help="without ROS, whatever is installed")
    how.add_argument("--ros", action="store_true", help="through ROS 2, and fail without it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
