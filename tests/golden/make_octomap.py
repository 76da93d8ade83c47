"""Make octomap.ot and octomap.bt beside this file with OctoMap itself: `python tests/golden/make_octomap.py`.

They hold, at 0.1 m, a cube of 16 voxels along each axis (one leaf, one level above our bricks), a cube of
two (one leaf inside a brick) and single voxels in the far corners of OctoMap's space and at the origin.
"""

from itertools import product
from pathlib import Path

FOLDER = Path(__file__).parent
CUBES = {(-32, 16, 48): 16, (2, 4, 6): 2}  # lowest voxel: edge
CUBE_LOG_ODDS = -0.4
SINGLE_LOG_ODDS = {
    (0, 0, 0): 0.85,
    (1, 0, 0): -0.001,
    (-1, -1, -1): 3.5,
    (32767, 32767, 32767): 1.25,
    (-32768, -32768, -32768): -2.0,
}


def contents():
    """Return the log-odds of every known voxel."""
    log_odds = dict(SINGLE_LOG_ODDS)
    for corner, edge in CUBES.items():
        for offset in product(range(edge), repeat=3):
            log_odds[tuple(a + b for a, b in zip(corner, offset, strict=True))] = CUBE_LOG_ODDS
    return log_odds


def octomap_of(log_odds, resolution_m=0.1, tree=None):
    """Return an OctoMap of these voxels."""
    import pyoctomap

    octomap = pyoctomap.OcTree(resolution_m) if tree is None else tree
    octomap.setClampingThresMax(1 - 1e-7)  # +-16: keeps every value
    octomap.setClampingThresMin(1e-7)
    for voxel, value in log_odds.items():
        key = pyoctomap.OcTreeKey()
        key[0], key[1], key[2] = (a + 32768 for a in voxel)
        octomap.updateNode(key, float(value))
    return octomap


if __name__ == "__main__":
    octomap_of(contents()).write(str(FOLDER / "octomap.ot"))
    octomap_of(contents()).writeBinary(str(FOLDER / "octomap.bt"))
