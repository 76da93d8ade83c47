"""`robomem correct`: move what is remembered to where it must have been."""

import sys
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from robomem.cli.output import print_facts, print_json
from robomem.geometry import Pose
from robomem.memory import Memory
from robomem.store import folder


def run(args: Namespace) -> int:
    """Close loops, or take poses from a file; 1 when nothing moved."""
    folder.read_manifest(Path(args.memory))  # opening to write would make a memory
    with Memory.open(args.memory, "w") as memory:
        before = {k.keyframe_id: k.T_map_kf for k in memory.keyframes()}
        loops = _take_poses(memory, Path(args.poses)) if args.poses else _close_loops(memory)
        moved_m = [
            float(np.linalg.norm(k.T_map_kf[:3, 3] - before[k.keyframe_id][:3, 3]))
            for k in memory.keyframes()
            if not np.array_equal(k.T_map_kf, before[k.keyframe_id])
        ]
        if moved_m:
            print("robomem: the map follows", file=sys.stderr)
        memory.wait_for_map()
    facts: dict[str, Any] = {
        **loops,
        "keyframes": len(before),
        "moved": len(moved_m),
        "farthest_m": round(max(moved_m, default=0.0), 3),
    }
    if args.json:
        print_json(facts)
    else:
        print_facts(
            [(name.removesuffix("_m"), _words(name, value)) for name, value in facts.items()]
        )
    return 0 if moved_m else 1


def _close_loops(memory: Memory) -> dict[str, Any]:
    closing = memory.close_loops()
    verdicts = Counter(str(loop.verdict) for loop in closing.loops)
    return {"loops": verdicts.pop("accepted", 0), "rejected": dict(sorted(verdicts.items()))}


def _take_poses(memory: Memory, file: Path) -> dict[str, Any]:
    from robomem.spatial.slam import read_g2o

    poses: dict[int, Pose] = dict(read_g2o(file).poses)
    memory.correct(poses)
    return {"poses": len(poses)}


def _words(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {why}" for why, count in value.items()) or "none"
    return f"{value:g} m" if name.endswith("_m") else f"{value:,}"
