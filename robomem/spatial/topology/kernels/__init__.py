"""The topology's inner loops, compiled by Numba. No kernel calls one of another file: see `jit`."""
