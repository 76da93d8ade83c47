"""`robomem bench spatial`: what a memory makes of a simulated house, held against the truth.

bench        what is measured, in which order                   start here
report       how much of it, and all that was found
houses       memories of patrols, and overlaps of their maps
correction   keyframes move to where they truly were
loops        loops are closed, and none between two houses
rooms        rooms and routes of houses
graphs       shortest ways through streets and buildings
pose_graphs  optima of graphs that others measured
views        which keyframes saw what
motion       people apart from structure
findings     the tables
pictures     what it looks like
"""

from robomem_sim.bench_spatial.bench import bench_spatial

__all__ = ["bench_spatial"]
