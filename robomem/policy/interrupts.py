"""Ctrl-C where something would be left half-way, or where a library takes it for an error of its own."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_counted() -> Iterator[list[int]]:
    """Collect the signals that would interrupt what is done meanwhile; only a main thread gets any."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before)
