"""The timers of one shard: one heap, and one timer of the loop, for any number of keys.

A timer that is put off (a heartbeat does that to a session) costs one entry in a dict: what comes up in the heap before
its time goes back into it.
"""

import asyncio
from collections.abc import Callable, Hashable
from heapq import heappop, heappush

from server.ports import Clock


class ShardTimers:
    def __init__(self, clock: Clock, fired: Callable[[Hashable], None]) -> None:
        self._clock, self._fired = clock, fired
        self._due: dict[Hashable, int] = {}
        self._heap: list[tuple[int, int, Hashable]] = []
        self._queued: dict[Hashable, int] = {}  # the earliest entry of the heap for each key
        self._count = 0
        self._handle: asyncio.TimerHandle | None = None
        self._wakes_ms = 0

    def set(self, key: Hashable, at_ms: int) -> None:
        self._due[key] = at_ms
        if key not in self._queued or self._queued[key] > at_ms:
            self._push(key, at_ms)
            self._arm()

    def cancel(self, key: Hashable) -> None:
        self._due.pop(key, None)

    def close(self) -> None:
        self._due.clear()
        self._heap.clear()
        self._queued.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _push(self, key: Hashable, at_ms: int) -> None:
        self._count += 1
        self._queued[key] = at_ms
        heappush(self._heap, (at_ms, self._count, key))

    def _arm(self) -> None:
        if not self._heap:
            return
        at_ms = self._heap[0][0]
        if self._handle is not None:
            if self._wakes_ms <= at_ms:
                return
            self._handle.cancel()
        self._wakes_ms = at_ms
        delay_s = max(at_ms - self._clock.now_ms(), 0) / 1000
        self._handle = asyncio.get_running_loop().call_later(delay_s, self._woken)

    def _woken(self) -> None:
        self._handle = None
        now_ms = self._clock.now_ms()
        while self._heap and self._heap[0][0] <= now_ms:
            at_ms, _, key = heappop(self._heap)
            if self._queued.get(key) != at_ms:
                continue  # an earlier entry took its place
            del self._queued[key]
            due_ms = self._due.get(key)
            if due_ms is None:
                continue
            if due_ms > now_ms:
                self._push(key, due_ms)
                continue
            del self._due[key]
            self._fired(key)
        self._arm()
