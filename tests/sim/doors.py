"""The simulator's Clock and Rng: server/ports in virtual time and from a seed."""

import asyncio
from random import Random
from uuid import UUID

from server.model.ids import RESERVED_UUIDS, uuid_text

BIRTH_MS = 1_767_225_600_000  # 2026-01-01T00:00Z


class SimClock:
    """Virtual time.

    skew_ms    how wrong this host's wall clock is at first
    uptime_ms  how long the host was up before
    drift      by what part its clocks run too fast
    """

    def __init__(self, skew_ms: int = 0, uptime_ms: int = 0) -> None:
        self.skew_ms, self._uptime_ms, self.drift = skew_ms, uptime_ms, 0.0

    def now_ms(self) -> int:
        return self._uptime_ms + self._gone_ms()

    def timestamp_ms(self) -> int:
        return BIRTH_MS + self.skew_ms + self._gone_ms()

    def _gone_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000 * (1 + self.drift))


class SimRng:
    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def below(self, stop: int) -> int:
        return self._rng.randrange(stop)

    def uuid(self) -> UUID:
        while True:
            drawn = UUID(bytes=self._rng.randbytes(16), version=4)
            if drawn.int >= RESERVED_UUIDS and not uuid_text(drawn).startswith("-"):
                return drawn
