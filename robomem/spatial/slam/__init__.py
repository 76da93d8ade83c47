"""Loop closure: places seen again, the pose graph that they make, and its optimum.

pose_graph    keyframe poses and what was measured between them; `optimize`    start here
g2o           the same as files
solver        gtsam, behind one function
"""

from robomem.spatial.slam.g2o import read_g2o, write_g2o
from robomem.spatial.slam.pose_graph import Edge, EdgeKind, Optimum, PoseGraph

__all__ = ["Edge", "EdgeKind", "Optimum", "PoseGraph", "read_g2o", "write_g2o"]
