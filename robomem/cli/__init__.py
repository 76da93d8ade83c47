"""The command line. The only part that prints, reads the wall clock (for progress) and exits."""

from robomem.cli.entry import main

__all__ = ["main"]
