"""What requests wait for: records that become committed, records that come at all.

A waiter is registered with each partition that could end its wait, is told of each event there, and takes itself out. A
partition that stops leading, or is dropped, tells everybody: each request looks again, and finds out why.
"""

import asyncio
from collections.abc import Callable, Collection
from heapq import heapify, heappop, heappush
from typing import Protocol


class Source(Protocol):
    """A partition, as a long poll sees it."""

    polls: "dict[Poll, None]"


class Poll:
    """One long poll over many partitions: done when `missing_bytes` more have come, when something changed, or at its
    deadline. What it counts is an estimate; the request reads again, and may have to wait again.
    """

    __slots__ = ("_future", "_missing_bytes", "_sources", "_timer", "follows")

    def __init__(self, sources: Collection[Source], missing_bytes: int, wait_ms: int, *, follows: bool) -> None:
        """Register at once: what comes between this line and `wait` counts.

        follows: the one who asks is a replica, and waits for appends; a consumer waits for what is committed.
        """
        loop = asyncio.get_running_loop()
        self.follows = follows
        self._future: asyncio.Future[bool] = loop.create_future()
        self._missing_bytes, self._sources = missing_bytes, sources
        self._timer = loop.call_later(wait_ms / 1000, self._end, False)
        for source in sources:
            source.polls[self] = None

    def grew(self, size: int) -> None:
        self._missing_bytes -= size
        if self._missing_bytes <= 0:
            self._end(True)

    def changed(self) -> None:
        self._end(True)

    async def wait(self) -> bool:
        """Return whether there is a reason to look again; False at the deadline."""
        try:
            return await self._future
        finally:
            self._end(False)

    def _end(self, looks_again: bool) -> None:
        self._timer.cancel()
        for source in self._sources:
            source.polls.pop(self, None)
        self._sources = ()
        if not self._future.done():
            self._future.set_result(looks_again)


class Commits:
    """Produce requests of one partition that wait for the high watermark, by offset."""

    def __init__(self) -> None:
        # A heap: a repeated batch (KIP-98) waits for an offset below those that already wait.
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, offset: int, wake: Callable[[], None]) -> None:
        """Call `wake` once, when `offset` <= HW or when that cannot be told any more."""
        self._count += 1
        heappush(self._waiting, (offset, self._count, wake))

    def forget(self, wake: Callable[[], None]) -> None:
        """Its request has been answered, because its time was over."""
        self._waiting = [entry for entry in self._waiting if entry[2] != wake]
        heapify(self._waiting)

    def committed(self, hw: int) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] <= hw:
            heappop(waiting)[2]()

    def given_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for _, _, wake in sorted(waiting, key=lambda entry: entry[:2]):
            wake()


class Acks:
    """One produce request that waits for several partitions; `done` when all have told, or the time is over."""

    def __init__(self, waits: Collection[tuple[Commits, int]], wait_ms: int) -> None:
        """waits: for each partition, what the HW must reach."""
        loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = loop.create_future()
        self._open = len(waits)
        self._commits = {id(commits): commits for commits, _ in waits}.values()
        self._timer = loop.call_later(max(wait_ms, 0) / 1000, self._end)
        for commits, offset in waits:
            commits.wait(offset, self._told)

    async def done(self) -> None:
        try:
            await self._future
        finally:
            if self._open:  # the client is gone
                self._end()

    def _told(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._end()

    def _end(self) -> None:
        self._timer.cancel()
        if self._open:
            self._open = 0
            for commits in self._commits:
                commits.forget(self._told)
        if not self._future.done():  # it is, from when the one who waits is cancelled
            self._future.set_result(None)
