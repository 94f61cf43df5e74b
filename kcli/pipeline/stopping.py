"""Let a run end in order when it is told to stop: Ctrl-C and SIGTERM raise, whoever runs tidies up and leaves."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Stopped(KeyboardInterrupt):
    """A signal has come; `exit_code` is what a shell expects then."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = EXIT_CODES[signal.Signals(number)]


@contextmanager
def on_signals() -> Iterator[None]:
    """Raise Stopped for SIGINT and SIGTERM while this lasts."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in EXIT_CODES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
