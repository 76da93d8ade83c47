"""Policies learned by imitation of an expert, in tasks that need a memory.

runs            a run with its files, as the command line has it      start here
settings        what is trained, on what, for how long
tasks           environments by their gymnasium ids
demonstrations  what is imitated, as batches of sequences
recorded        the episodes of a data set, as demonstrations
agent           encoder, memory and head
heads           from what is remembered to an action
chunk_agent     a diffusion policy, trained by the same loop
agents          the agents by their names
imitation       the training itself
checkpoints     one file that a run goes on from, bit for bit
logs            CSV and TensorBoard
evaluation      how well an agent does by itself
sharing         several processes on one run
"""
