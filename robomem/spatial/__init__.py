"""Where everything is: the map, and what keeps it true.

octree/          free and solid space, and what can be asked of it
stored_map       the octree on disk, as a writer and its readers see it
scan_log         the scans that made it, each hung on its keyframe
scan_splitter    what of a scan moves, by dynamics/
keyframes, trajectory, correction    when one is made, what a path says of them, how all follows when they move
slam/            loops closed without another SLAM
floors           places, rooms and routes, by topology/; grid_planner where places do not lead
stored_views     which keyframe saw what, by views/
warm             uses all inner loops once, so that they are compiled
"""
