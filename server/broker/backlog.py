"""Backlog: the partitions that the metadata says something new about, until this node has done what it says.

A change may be about thousands of partitions, each of them files to make or roles to take. They are taken in turns,
and between two turns the node serves, votes and sends heartbeats; a small change is done when `work` returns. A
partition is done once, by the metadata of that moment, however often it was named; one that fails does not keep the
others waiting.
"""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from server.ports import Clock

logger = logging.getLogger(__name__)

PARTITIONS_A_TURN = 50
TURN_MS = 20
Key = tuple[UUID, int]  # topic id, partition


class Backlog:
    def __init__(self, clock: Clock, do: Callable[[UUID, int, bool], None], done: Callable[[], None]) -> None:
        """
        do      does one partition: its topic's id, its index, and whether no replica of it can have been here before
        done    is called when nothing is left of what one turn was not enough for
        """
        self._clock, self._do, self._done = clock, do, done
        self._left: dict[Key, bool] = {}  # oldest first
        self._turn: asyncio.Handle | None = None

    def __bool__(self) -> bool:
        return bool(self._left)

    def __contains__(self, key: Key) -> bool:
        return key in self._left

    def add(self, topic_id: UUID, index: int, *, new: bool) -> None:
        key = topic_id, index
        self._left[key] = new or self._left.get(key, False)

    def work(self) -> None:
        """Do a turn now, unless one is to come; the rest follows by itself."""
        if self._turn is None:
            self._take_turn(first=True)

    def _take_turn(self, *, first: bool = False) -> None:
        self._turn = None
        until_ms = self._clock.now_ms() + TURN_MS
        for _ in range(PARTITIONS_A_TURN):
            if not self._left or self._clock.now_ms() > until_ms:
                break
            topic_id, index = key = next(iter(self._left))
            new = self._left.pop(key)
            try:
                self._do(topic_id, index, new)
            except Exception as e:  # a bug, of this one: the others are no worse for it
                what = "partition %d of topic %s does not do what the metadata says"
                logger.error(what, index, topic_id, exc_info=e)
        if self._left:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)
        elif not first:
            self._done()

    def close(self) -> None:
        self._left.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
