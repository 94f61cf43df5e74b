"""A line on the terminal while something is waited for; nothing where nobody looks."""

import sys


class Progress:
    """`of` says what is waited for, `tick` shows it, `clear` takes it away."""

    def __init__(self) -> None:
        self._shown, self._line = sys.stderr.isatty(), ""

    def of(self, line: str) -> None:
        self._line = line

    def tick(self) -> None:
        if self._shown:
            self._line += "."
            sys.stderr.write(f"\r{self._line}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write(f"\r{'':{len(self._line)}}\r")
            sys.stderr.flush()
