"""What is to be sent to other brokers: all that waits for one broker goes with its next request, one at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

from server.model.ids import NodeId

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


class Outboxes(Generic[Item]):
    def __init__(self, send: Callable[[NodeId, Collection[Item]], Awaitable[None]]) -> None:
        """send: takes all that waits for one broker, and sees to what becomes of it. What it raises is a bug."""
        self._send = send
        self._waiting: dict[NodeId, list[Item]] = {}
        self._tasks: dict[NodeId, asyncio.Task[None]] = {}

    def put(self, node: NodeId, item: Item) -> None:
        self._waiting.setdefault(node, []).append(item)
        if node not in self._tasks:
            task = self._tasks[node] = asyncio.get_running_loop().create_task(self._run(node))
            task.add_done_callback(_ended)

    async def _run(self, node: NodeId) -> None:
        try:
            while node in self._waiting:
                await self._send(node, self._waiting.pop(node))
        finally:
            self._tasks.pop(node, None)

    def close(self) -> None:
        self._waiting.clear()
        for task in list(self._tasks.values()):
            task.cancel()


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("sending failed", exc_info=task.exception())
