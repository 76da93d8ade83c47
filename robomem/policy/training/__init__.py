"""Policies learned by imitation of an expert, in tasks that need a memory.

settings        what is trained, on what, for how long        start here
tasks           environments by their gymnasium ids
demonstrations  what the expert does, as batches of sequences
heads           from what is remembered to an action
agent           encoder, memory and head
imitation       the training itself
checkpoints     one file that a run goes on from, bit for bit
logs            CSV and TensorBoard
evaluation      how well an agent does by itself
sharing         several processes on one run
"""
