"""Loop closure: places seen again, the pose graph that they make, and its optimum. Needs the extra `slam`.

loop_closure    keyframes in, corrected poses out                           start here
local_map       a metre of the path as one cloud
recognition     which older places a place looks like
descriptors     what a place looks like from any side
registration    whether one local map lies on another, and where
consistency     whether loops agree with odometry and with each other
pose_graph      keyframe poses and what was measured between them; `optimize`
g2o             the same as files
solver          gtsam, behind one function
settings        all thresholds
"""

from robomem.spatial.slam.consistency import Loop, Verdict
from robomem.spatial.slam.g2o import read_g2o, write_g2o
from robomem.spatial.slam.local_map import Scan
from robomem.spatial.slam.loop_closure import Closing, LoopCloser, close_loops
from robomem.spatial.slam.pose_graph import Edge, EdgeKind, Optimum, PoseGraph
from robomem.spatial.slam.settings import SlamConfig

__all__ = [
    "Closing",
    "Edge",
    "EdgeKind",
    "Loop",
    "LoopCloser",
    "Optimum",
    "PoseGraph",
    "Scan",
    "SlamConfig",
    "Verdict",
    "close_loops",
    "read_g2o",
    "write_g2o",
]
