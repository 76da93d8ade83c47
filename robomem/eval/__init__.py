"""Measurements against other libraries, on the same input and in the same run."""
