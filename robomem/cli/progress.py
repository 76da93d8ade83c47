"""How far a replay, a bench or a training is: one line that rewrites itself on a terminal, else a line now and then."""

import time
from collections.abc import Callable
from typing import TextIO

from robomem.replay import Progress

TERMINAL_PERIOD_S = 0.2
LOG_PERIOD_S = 10.0


class ProgressLine:
    """Call it with every `Progress`; it writes as often as the stream deserves."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._period_s = TERMINAL_PERIOD_S if self._is_terminal else LOG_PERIOD_S
        self._start_s = self._written_s = clock()
        self._start_fraction: float | None = None  # what an earlier run did counts for no rate

    def __call__(self, progress: Progress, *, note: str | None = None) -> None:
        """Write how far it is, when it is time again; a note stands in for what was observed."""
        now_s = self._clock()
        if self._start_fraction is None and progress.items:
            self._start_fraction, self._start_s = progress.fraction, now_s
        if now_s - self._written_s >= self._period_s:
            self._written_s = now_s
            self._write(self._words(progress, note, elapsed_s=now_s - self._start_s))

    def finish(self) -> None:
        """Wipe the line."""
        if self._is_terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _write(self, words: str) -> None:
        self._stream.write(f"\r{words}\x1b[K" if self._is_terminal else f"{words}\n")
        self._stream.flush()

    def _words(self, progress: Progress, note: str | None, *, elapsed_s: float) -> str:
        words = f"{progress.fraction:4.0%}  {note or f'{progress.observed:,} observed'}"
        if progress.rejected:
            words += f", {progress.rejected:,} rejected"
        done = progress.fraction - (self._start_fraction or 0.0)
        if elapsed_s <= 0 or done <= 0:
            return words
        left_s = round(elapsed_s * (1 - progress.fraction) / done)
        return f"{words}  {progress.items / elapsed_s:.0f}/s  {left_s // 60}:{left_s % 60:02d} left"
