"""A memory that had no SLAM closes its own loops."""

import numpy as np
import pytest

pytest.importorskip("small_gicp")
pytest.importorskip("gtsam")
pytest.importorskip("robomem_sim.run")

from robomem.memory import Memory
from robomem.types import Observation
from tests.test_slam_loop_closure import drifting, drive_through


def test_a_memory_closes_the_loops_of_what_it_keeps(tmp_path):
    drive = drive_through(0)
    truth = {scan.stamp_ns: scan.T_map_kf[:3, 3] for scan in drive}
    with Memory.open(tmp_path / "a.rmem") as memory:
        for scan in drifting(drive):
            memory.observe(
                Observation(
                    stamp_ns=scan.stamp_ns,
                    T_odom_base=scan.T_map_kf,
                    depth_m=scan.depth_m,
                    K=scan.K,
                    color=scan.color,
                )
            )

        def off_m():
            offs = [k.T_map_kf[:3, 3] - truth[k.stamp_ns] for k in memory.keyframes()]
            return float(np.sqrt(np.mean(np.sum(np.square(offs), axis=1))))

        before_m, occupied_m3 = off_m(), memory.map.volume().occupied_m3

        found = memory.close_loops(wait=True)

        assert found.accepted
        assert off_m() < before_m / 5
        assert memory.map.volume().occupied_m3 < 0.95 * occupied_m3  # no wall stands twice
