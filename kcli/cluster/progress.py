"""A line on the terminal while something is waited for; nothing where nobody looks."""

import sys
import time

EVERY_S = 0.2


class Progress:
    """`of` says what is waited for, `tick` shows it, `clear` takes it away."""

    def __init__(self) -> None:
        self._shown, self._line, self._width, self._last = sys.stderr.isatty(), "", 0, 0.0

    def of(self, line: str) -> None:
        self._line, self._last = line, 0.0

    def tick(self) -> None:
        now = time.monotonic()
        if self._shown and now - self._last >= EVERY_S:
            self._line, self._last = self._line + ".", now
            self._write(self._line)

    def clear(self) -> None:
        if self._shown and self._width:
            self._write("")
            sys.stderr.write("\r")
            self._width = 0

    def _write(self, line: str) -> None:
        sys.stderr.write(f"\r{line:{self._width}}")
        sys.stderr.flush()
        self._width = len(line)
