"""The real Clock and the real Rng."""

import base64
import secrets
import time
import uuid

from server.model.ids import RESERVED_UUIDS

NS_PER_MS = 1_000_000


class SystemClock:
    """The Clock port, over the machine's clocks."""

    def now_ms(self) -> int:
        return time.monotonic_ns() // NS_PER_MS

    def timestamp_ms(self) -> int:
        return time.time_ns() // NS_PER_MS


class SystemRng:
    """The Rng port, over the kernel's random source."""

    def below(self, stop: int) -> int:
        return secrets.randbelow(stop)

    def uuid(self) -> uuid.UUID:
        while True:
            drawn = uuid.uuid4()
            # A leading '-' would be taken for an option where an id is typed on a command line.
            if drawn.int >= RESERVED_UUIDS and not base64.urlsafe_b64encode(drawn.bytes).startswith(b"-"):
                return drawn
