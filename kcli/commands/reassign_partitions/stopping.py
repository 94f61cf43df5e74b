"""Stop between two questions to the cluster, never within one: what follows still has to ask it to clear throttles."""

import signal
import time
from types import FrameType, TracebackType
from typing import Self

EXIT_CODES = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}
IMPATIENT = 3  # signals after which nothing is tidied up any more


class Stopped(Exception):
    """A signal has come; `exit_code` is what a shell expects then."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Stopping:
    """While this lasts, signals are noted; `check` and `nap` raise Stopped for the first. The third one interrupts."""

    def __init__(self) -> None:
        self._came = list[int]()
        self._napping = self._told = False

    def __enter__(self) -> Self:
        # Whoever ignores a signal (nohup does) goes on ignoring it.
        self._before = {number: signal.getsignal(number) for number in EXIT_CODES}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)
        if len(self._came) >= IMPATIENT:
            raise KeyboardInterrupt
        if self._napping:
            self._raise()

    def _raise(self) -> None:
        self._napping, self._told = False, True
        raise Stopped(EXIT_CODES[signal.Signals(self._came[0])])

    def check(self) -> None:
        """Raise Stopped if a signal has come."""
        if self._came and not self._told:
            self._raise()

    def nap(self, seconds: float) -> None:
        """Sleep, unless a signal comes."""
        self._napping = True
        try:
            self.check()
            time.sleep(seconds)
        finally:
            self._napping = False
