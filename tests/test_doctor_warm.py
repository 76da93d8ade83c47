"""`robomem doctor --warm`: afterwards nothing is compiled while the robot runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import robomem as rm
from robomem import warm
from robomem.cli import doctor, main
from robomem.config import Config
from robomem.episodic import similarity
from robomem.store import event_index
from robomem.warm import Warmth, find_kernels, warm_up

K = np.array([[104.0, 0, 79.5], [0, 104.0, 59.5], [0, 0, 1]])


@pytest.fixture(scope="module")
def warmth():
    return warm_up()


def compiled():
    """What was compiled in this process: kernel and signature."""
    return {
        (kernel.py_func.__qualname__, signature)
        for kernel in find_kernels()
        for signature in kernel.stats.cache_misses
    }


def seen(i, rng):
    return rm.Observation(
        stamp_ns=i * 10**9,
        T_map_cam=np.eye(4),
        depth_m=np.full((120, 160), 1.5 + 0.1 * i, (np.float32, np.float64)[i % 2]),
        K=K,
        points_cam=rng.uniform(-2, 2, (30, 3)).astype((np.float32, np.float64)[i % 2]),
        detections=(
            rm.Detection(label="wall", box_px=(20, 20, 60, 40), embedding=rng.normal(size=16)),
        ),
    )


def test_the_second_time_nothing_is_compiled(warmth):
    before = compiled()

    again = warm_up()

    assert again.compiled == 0
    assert again.kernels == warmth.kernels > 20
    assert compiled() == before


@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_a_robot_compiles_nothing_after_it(warmth, tmp_path, rng, mode):
    path, before = tmp_path / "a.rmem", compiled()
    config = Config.model_validate(
        {"spatial": {"mode": mode, "budget_bytes": 1 << 20, "keep_embeddings": True}}
    )

    for first in (0, 4):  # the second time with a map on disk, and scans in the journal
        with rm.Memory.open(path, "w", config=config) as memory:
            for i in range(first, first + 4):
                memory.observe(seen(i, rng))
            memory.route((0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    with rm.Memory.open(path, "r") as memory:
        assert memory.info().known_m3 > 1

    assert compiled() - before == set()


def test_a_search_by_meaning_compiles_nothing_after_it(warmth, tmp_path, rng, monkeypatch):
    monkeypatch.setattr(similarity, "MOST", 5)
    monkeypatch.setattr(event_index, "MIN_NEW", 10)
    path, before = tmp_path / "a.rmem", compiled()

    for mode in ("w", "w", "r"):  # new ones; those from a file, and new ones; those from a file
        with rm.Memory.open(path, mode) as memory:
            if mode == "w":
                memory.log(
                    rm.Happening(
                        kind="observed", stamp_ns=i, text="a", embedding=rng.normal(size=80)
                    )
                    for i in range(1, 30)
                )
            assert len(memory.event_search.search(embedding=np.ones(80))) == 5

    assert compiled() - before == set()


def test_every_kernel_that_the_octree_calls_is_warm(warmth):
    script = (
        "import sys, robomem.spatial.octree\n"
        "print(*(m.__file__ for name, m in sys.modules.items() if name.startswith('robomem')))"
    )
    files = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    sources = "".join(Path(f).read_text() for f in files if Path(f).parent.name != "kernels")

    cold = [kernel.py_func for kernel in find_kernels() if not kernel.signatures]

    for kernel in cold:  # inner ones are compiled into those that call them
        module = kernel.__module__.rpartition(".")[2]
        calls = re.findall(rf"\b(?:kernels|{module})\.{kernel.__name__}\b", sources)
        assert not calls, f"warm_up leaves {calls} cold"


def test_doctor_says_that_it_was_warm_and_where(warmth, capsys):
    code = main(["doctor", "--warm", "--json", "--quiet"])

    told = json.loads(capsys.readouterr().out)
    (finding,) = (f for f in told["findings"] if f["name"] == "kernels")
    assert code == 0
    assert told["is_well"]
    assert re.match(r"already warm, \d+\.\d s, kept in /", finding["detail"])
    kept = Path(finding["detail"].rpartition(" kept in ")[2])
    assert all(folder.is_relative_to(kept) for folder in warmth.cache_dirs)


def test_doctor_alone_compiles_nothing(capsys):
    main(["doctor"])

    assert "kernels" not in capsys.readouterr().out


def test_doctor_says_what_it_compiled(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(warm, "warm_up", lambda: Warmth(91, 60, (tmp_path,)))

    code = main(["doctor", "--warm"])

    out, err = capsys.readouterr()
    assert code == 0
    assert re.search(rf"kernels +compiled 60 of 91 in \d+\.\d s, kept in {tmp_path}", out)
    assert "minutes the first time" in err


def test_doctor_says_that_the_folder_wished_for_is_not_used(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/none")
    monkeypatch.setattr(warm, "warm_up", lambda: Warmth(91, 0, (tmp_path,)))

    code = main(["doctor", "--warm"])

    assert code == 0
    assert "not in NUMBA_CACHE_DIR=/proc/none" in capsys.readouterr().out


@pytest.mark.parametrize("finds", ["no folder", "no folder, and says so when it is imported"])
def test_kernels_that_cannot_be_kept_are_missing_and_doctor_says_what_to_do(
    monkeypatch, capsys, finds
):
    def warm_up():
        if finds == "no folder":
            return Warmth(91, 60, ())
        raise RuntimeError("cannot cache function 'find': no locator available for file 'x.py'")

    monkeypatch.setattr(warm, "warm_up", warm_up)

    code = main(["doctor", "--warm"])

    (line,) = (li for li in capsys.readouterr().out.splitlines() if "kernels" in li)
    assert code == doctor.EXIT_MISSING
    assert line.startswith("MISSING")
    assert "set NUMBA_CACHE_DIR to a folder" in line
