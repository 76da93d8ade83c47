"""`robomem bench memory`: what a memory makes of generated lives, held against their truth.

bench       what is measured, in which order            start here
report      how much of it, all that was found, how it is told
life        questions about whole lives, to a memory and to the baselines
baselines   a vector store over captions, a buffer of the last
replies     answers in one form, and whether they are right
things      patrolled, beliefs: things of rendered houses
facts       hearsay, listeners: what people say over a month
episodes    boundaries, streams, top_down, procedures: episodes, recall through them, acting on experience
poison      poison_day, poison_words: what is told to mislead
retention   demand, utility_picture: what a budget leaves
scale       event_stream: a million events
pictures    what a day looks like
"""

from robomem_sim.bench_memory.bench import bench_memory

__all__ = ["bench_memory"]
