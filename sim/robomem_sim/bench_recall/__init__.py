"""`robomem bench recall-tasks`: tasks that need a memory, learned with each memory, and where each of them fails.

trials     the tasks, as they are learned and as they are tested      start here
cells      one task learned with one memory from one seed, kept on disk
report     all that was found, and how it is told
bench      what is measured, in which order
"""

from robomem_sim.bench_recall.bench import bench_recall

__all__ = ["bench_recall"]
