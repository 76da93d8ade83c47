"""Policies that remember: memory modules, a diffusion policy, their training, export and runtime.

Everything but `robomem.policy.runtime` needs the extra `train`; the runtime needs `serve` only.
"""
