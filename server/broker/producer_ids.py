"""Producer ids: this broker's block of them, and the next block when it is used up.

The controller hands out blocks, so that an id is unique in the cluster for ever and asking for one costs nothing.
Source: KIP-730.
"""

import asyncio
from collections.abc import Awaitable, Callable

from server.model.ids import ProducerId

Block = tuple[int, int]  # first id, how many


class ProducerIds:
    def __init__(self, allocate: Callable[[], Awaitable[Block]]) -> None:
        """allocate: get a block from the controller, durably; raises Rejected when there is none to be had."""
        self._allocate = allocate
        self._next = self._end = 0
        self._lock = asyncio.Lock()

    async def next(self) -> ProducerId:
        """Raises Rejected: the controller cannot be asked now."""
        async with self._lock:  # those who come while a block is fetched share it
            if self._next == self._end:
                first, count = await self._allocate()
                assert count > 0
                self._next, self._end = first, first + count
            self._next += 1
            return ProducerId(self._next - 1)
