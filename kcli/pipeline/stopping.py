"""Let a run end in order when it is told to stop: Ctrl-C and SIGTERM raise, whoever runs tidies up and leaves."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

CHECK_MS = 100
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Stopped(KeyboardInterrupt):
    """A signal has come; `exit_code` is what a shell expects then."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = EXIT_CODES[signal.Signals(number)]


class Hold:
    """While this lasts, the first signal raises nowhere but in `check`; a second one raises at once.

    For work that must not be torn in two. `wake` ends a wait that is under way.
    """

    _now: "Hold | None" = None

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._number: int | None = None

    def __enter__(self) -> Self:
        Hold._now = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Hold._now = None
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise Stopped if a signal has come."""
        if self._number is not None:
            raise Stopped(self._number)

    @classmethod
    def takes(cls, number: int) -> bool:
        """Whether somebody holds the signal back."""
        hold = cls._now
        if hold is None or hold._number is not None:
            return False
        hold._number = number
        hold._wake()
        return True


@contextmanager
def on_signals() -> Iterator[None]:
    """Raise Stopped for SIGINT and SIGTERM while this lasts."""

    def stop(number: int, frame: FrameType | None) -> None:
        if not Hold.takes(number):
            raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in EXIT_CODES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_all(file: int, data: bytes, hold: Hold | None) -> None:
    """Write to a file; under a hold never so much that a pipe blocks. Raises OSError; Stopped: a signal came first."""
    left = memoryview(data)
    room = select.poll()
    room.register(file, select.POLLOUT)
    while left:
        if hold is None:
            left = left[os.write(file, left) :]
        elif room.poll(CHECK_MS):
            left = left[os.write(file, left[: select.PIPE_BUF]) :]
        else:
            hold.check()
