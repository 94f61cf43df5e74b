"""Assignments: tells the active controller in which directories this node's replicas are, until it knows.

All that is to be told while one request is on its way goes with the next one.
Source: KIP-858.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from server.model.errors import ErrorCode, Rejected
from server.model.ids import BrokerEpoch, DirectoryId, NodeId
from server.net.peer import Unreachable
from server.wire.messages.assign_replicas_to_dirs import (
    AssignReplicasToDirsRequest,
    AssignReplicasToDirsResponse,
    RequestDirectoryData,
    RequestPartitionData,
    RequestTopicData,
)

logger = logging.getLogger(__name__)

RETRY_MS, RETRY_MAX_MS = 50, 5_000
ROWS_A_REQUEST = 2_000
# There is no such replica (any more, or yet as far as the controller knows): nothing can be told of it.
POINTLESS = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
Key = tuple[UUID, int]  # topic id, partition
Ask = Callable[[AssignReplicasToDirsRequest], Awaitable[AssignReplicasToDirsResponse]]


class Assignments:
    def __init__(self, node: NodeId, broker_epoch: Callable[[], BrokerEpoch], ask: Ask) -> None:
        """ask: gets the active controller's answer. Raises Rejected, Unreachable."""
        self._node, self._broker_epoch, self._ask = node, broker_epoch, ask
        self._open: dict[Key, tuple[DirectoryId, asyncio.Future[bool]]] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, topic_id: UUID, index: int, directory: DirectoryId) -> "asyncio.Future[bool]":
        """Done when the controller knows; False: it has been told something else since, or there is no such replica."""
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._settle((topic_id, index), False)
        self._open[topic_id, index] = directory, told
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return told

    def close(self) -> None:
        for key in list(self._open):
            self._settle(key, False)
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        failures = 0
        try:
            while self._open:
                failures = 0 if await self._send() else min(failures + 1, 16)
                if failures:
                    await asyncio.sleep(min(RETRY_MS << (failures - 1), RETRY_MAX_MS) / 1000)
        finally:
            self._task = None

    async def _send(self) -> bool:
        """Send what is open, and take in the answer; whether every row was settled by it."""
        await asyncio.sleep(0)  # many partitions are opened one after the other
        sent = dict(list(self._open.items())[:ROWS_A_REQUEST])
        directories: dict[DirectoryId, dict[UUID, list[RequestPartitionData]]] = {}
        for (topic_id, index), (directory, _) in sent.items():
            rows = directories.setdefault(directory, {}).setdefault(topic_id, [])
            rows.append(RequestPartitionData(index))
        request = AssignReplicasToDirsRequest(
            self._node,
            self._broker_epoch(),
            [
                RequestDirectoryData(directory, [RequestTopicData(topic_id, rows) for topic_id, rows in topics.items()])
                for directory, topics in directories.items()
            ],
        )
        try:
            response = await self._ask(request)
        except (Rejected, Unreachable) as e:
            logger.debug("the controller gave no answer about directories: %s", e)
            return False
        codes = {
            (topic.topic_id, row.partition_index): ErrorCode(row.error_code)
            for each in response.directories
            for topic in each.topics
            for row in topic.partitions
        }
        for key, open_ in sent.items():
            code = codes.get(key, ErrorCode.UNKNOWN_SERVER_ERROR)
            if self._open.get(key) is open_ and (code == ErrorCode.NONE or code in POINTLESS):
                self._settle(key, code == ErrorCode.NONE)
        return not any(self._open.get(key) is open_ for key, open_ in sent.items())

    def _settle(self, key: Key, known: bool) -> None:
        _, told = self._open.pop(key, (None, None))
        if told is not None and not told.done():
            told.set_result(known)
