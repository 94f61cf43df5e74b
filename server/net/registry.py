"""The connections of one node: how many there may be, how much they may hold, who has been silent for too long.

One registry serves all listeners of a node, because the limits are the node's.
"""

import asyncio
import logging
from collections import Counter
from typing import Protocol

from server.net.limits import COMPLAINTS_PER_SECOND, SWEEPS_PER_IDLE_TIME, Limits

log = logging.getLogger(__name__)


class Member(Protocol):
    """What the registry needs of a connection."""

    host: str

    def sweep(self) -> bool:
        """Forget memory that is not needed; whether the peer was silent, and owed nothing, since the last sweep."""
        ...

    def resume(self) -> None: ...

    def close(self, reason: str | None) -> None: ...


class Registry:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._silent: dict[Member, int] = {}  # sweeps without a sign of life
        self._per_host: Counter[str] = Counter()
        self._held = 0
        self._hungry: dict[Member, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._complaints, self._complaint_second = 0, -1

    def __len__(self) -> int:
        return len(self._silent)

    @property
    def held_bytes(self) -> int:
        """What connections hold beyond their first receive buffer."""
        return self._held

    def admit(self, member: Member) -> bool:
        limits = self.limits
        if len(self._silent) >= limits.max_connections:
            self.complain(f"refused a connection from {member.host}: max.connections={limits.max_connections} reached")
            return False
        if self._per_host[member.host] >= limits.max_connections_per_ip:
            limit = limits.max_connections_per_ip
            self.complain(f"refused a connection from {member.host}: max.connections.per.ip={limit} reached")
            return False
        self._silent[member] = 0
        self._per_host[member.host] += 1
        if self._timer is None:
            self._arm()
        return True

    def left(self, member: Member) -> None:
        if self._silent.pop(member, None) is None:
            return
        self._hungry.pop(member, None)
        self._per_host[member.host] -= 1
        if not self._per_host[member.host]:
            del self._per_host[member.host]
        if not self._silent and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take(self, member: Member, size: int) -> bool:
        """Reserve memory for one large frame. Refused, `member` is resumed when some was given back.

        The last one in may overshoot: a frame that has begun must be able to end, or two half frames block each other.
        """
        limit = self.limits.queued_max_request_bytes
        if 0 <= limit <= self._held:
            self._hungry[member] = None
            return False
        self._held += size
        return True

    def give(self, size: int) -> None:
        self._held -= size
        assert self._held >= 0
        if self._hungry and size:
            hungry, self._hungry = self._hungry, {}
            for member in hungry:
                member.resume()

    def close_all(self) -> None:
        for member in list(self._silent):
            member.close(None)

    def complain(self, line: str) -> None:
        """Log a line about a peer; a flood of bad peers must not become a flood of lines."""
        second = int(asyncio.get_running_loop().time())
        if second != self._complaint_second:
            if self._complaints > COMPLAINTS_PER_SECOND:
                log.warning("and %d more such lines", self._complaints - COMPLAINTS_PER_SECOND)
            self._complaints, self._complaint_second = 0, second
        self._complaints += 1
        if self._complaints <= COMPLAINTS_PER_SECOND:
            log.warning("%s", line)

    def _arm(self) -> None:
        idle_s = self.limits.connections_max_idle_ms / 1000
        if idle_s > 0:
            self._timer = asyncio.get_running_loop().call_later(idle_s / SWEEPS_PER_IDLE_TIME, self._sweep)

    def _sweep(self) -> None:
        self._arm()
        for member, silent in list(self._silent.items()):
            self._silent[member] = silent + 1 if member.sweep() else 0
            if silent >= SWEEPS_PER_IDLE_TIME:
                member.close(None)  # clients expect this, and it says nothing about them
