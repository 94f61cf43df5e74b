"""What a run says while it lasts: Kafka's lines, troubles, and on a terminal how far it is."""

import sys
import time
from collections.abc import Callable

import click

from kcli.model.measures import MB, Window
from kcli.render import perf as render

EVERY_S = 0.2
WIDTH = 30


class Bar:
    """A bar on standard error, if that is a terminal; `total` records make it full. `say` tells what is no trouble."""

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self._total, self._say = total, say
        self._shown = False
        self._next = 0.0
        self._alive = sys.stderr.isatty()

    def moved(self, records: int, size: int, elapsed_ms: float) -> None:
        """So much has been acknowledged by now."""
        if not self._alive or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_S
        full = WIDTH * records // max(self._total, 1)
        rate = 1000 * size / MB / elapsed_ms if elapsed_ms else 0.0
        bar = f"{'#' * full:.<{WIDTH}}"
        sys.stderr.write(f"\r[{bar}] {100 * records // max(self._total, 1):3}%  {rate:,.1f} MB/sec\x1b[K")
        sys.stderr.flush()
        self._shown = True

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False

    def window(self, told: Window, steady: bool) -> None:
        """A stretch of the run is over; `steady`: it is the first of the steady state."""
        self.clear()
        if steady:
            self._say("In steady state.")
        self._say(render.window(told))

    def warn(self, text: str) -> None:
        self.clear()
        sys.stdout.flush()
        click.echo(text, err=True)
