"""The keyframes of a memory as the scans that loops are closed with."""

from robomem.spatial.slam.local_map import Scan
from robomem.spatial.trajectory import by_odometry
from robomem.store.images import ImageFiles
from robomem.store.rows import KeyframeRow


def scan_of(row: KeyframeRow, images: ImageFiles) -> Scan:
    """Return where a keyframe was by odometry, and the images that are kept with it."""
    has_depth = row.depth_digest is not None and row.K is not None
    return Scan(
        keyframe_id=row.keyframe_id,
        stamp_ns=row.stamp_ns,
        T_map_kf=by_odometry(row),
        depth_m=images.depth(row.depth_digest) if has_depth and row.depth_digest else None,
        K=row.K.reshape(3, 3) if has_depth and row.K is not None else None,
        color=images.color(row.color_digest) if row.color_digest else None,
    )
