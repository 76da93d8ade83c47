"""RoboMem, the memory of a robot: perceive, remember, ask, act."""

__version__ = "0.1.0"
