"""Write frames as an RGB-D folder in the layout of the TUM benchmark.

Sturm et al., "A Benchmark for the Evaluation of RGB-D SLAM Systems", 2012: `depth.txt` and `rgb.txt`
list "stamp file", `groundtruth.txt` "stamp tx ty tz qx qy qz qw" of the optical frame; a depth PNG
has 5000 units a metre and 0 for no return.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from robomem.geometry import Depth, quaternion_from_rotation
from robomem_sim.run import Frame

UNITS_PER_M = 5000.0


def write_rgbd_folder(path: Path, frames: Iterable[Frame]) -> int:
    """Write frames into a folder that is made; returns how many."""
    for name in ("depth", "rgb"):
        (path / name).mkdir(parents=True)
    lists: dict[str, list[str]] = {"depth": [], "rgb": [], "groundtruth": []}
    for frame in frames:
        stamp = f"{frame.stamp_ns // 10**9}.{frame.stamp_ns % 10**9:09d}"
        _depth_image(frame.depth_m).save(path / "depth" / f"{stamp}.png")
        Image.fromarray(frame.color).save(path / "rgb" / f"{stamp}.png")
        lists["depth"].append(f"{stamp} depth/{stamp}.png")
        lists["rgb"].append(f"{stamp} rgb/{stamp}.png")
        lists["groundtruth"].append(f"{stamp} {_pose_words(frame)}")
    for name, lines in lists.items():
        text = "\n".join([f"# {name}", *lines, ""])
        (path / f"{name}.txt").write_text(text, encoding="utf-8")
    return len(lists["depth"])


def _depth_image(depth_m: Depth) -> Image.Image:
    units = np.rint(np.where(np.isfinite(depth_m), depth_m, 0.0) * UNITS_PER_M)
    return Image.fromarray(np.clip(units, 0, 65535).astype(np.uint16))


def _pose_words(frame: Frame) -> str:
    T = frame.T_map_cam
    numbers = (*T[:3, 3], *quaternion_from_rotation(T[:3, :3]))
    return " ".join(f"{number:.9f}" for number in numbers)
