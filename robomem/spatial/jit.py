"""How the kernels of the map are compiled: as all are."""

from robomem.jit import jit, jit_inline

__all__ = ["jit", "jit_inline"]
