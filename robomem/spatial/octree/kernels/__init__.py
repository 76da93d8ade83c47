"""The octree's inner loops, compiled by Numba: free functions on arrays, no state."""
