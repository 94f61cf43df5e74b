"""Assignments: tells the active controller in which directories this node's replicas are, where it believes otherwise.

    assignments.tell(topic_id, index, directory_id)     # or LOST_DIR: it is in a directory that failed

The controller chooses a replica's directory only where a broker has one. A broker with several chooses itself, and one
whose disk was replaced makes its logs anew elsewhere. As long as the controller does not know, it cannot tell which
replicas a failed directory takes with it, or takes a replica for lost that is there: it would never lead again.

What is told while one request is on its way goes with the next one, the latest word of each replica. A request that
got no answer is repeated. A row that was refused is not: it is told anew when the metadata of that replica changes.

Source: KIP-858.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from server.model.errors import ErrorCode, Rejected
from server.model.ids import BrokerEpoch, DirectoryId, NodeId
from server.wire.messages.assign_replicas_to_dirs import (
    AssignReplicasToDirsRequest,
    AssignReplicasToDirsResponse,
    RequestDirectoryData,
    RequestPartitionData,
    RequestTopicData,
)

logger = logging.getLogger(__name__)

RETRY_MS, RETRY_MAX_MS = 50, 5_000
REPLICAS_A_REQUEST = 1_000
Ask = Callable[[AssignReplicasToDirsRequest], Awaitable[AssignReplicasToDirsResponse]]
Key = tuple[UUID, int]  # topic id, partition


class Assignments:
    def __init__(self, node: NodeId, broker_epoch: Callable[[], BrokerEpoch], ask: Ask) -> None:
        """ask: gets the active controller's answer. Raises Rejected."""
        self._node, self._broker_epoch, self._ask = node, broker_epoch, ask
        self._untold: dict[Key, DirectoryId] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, topic_id: UUID, index: int, directory: DirectoryId) -> None:
        self._untold[topic_id, index] = directory
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self, topic_id: UUID, index: int) -> None:
        """It is where the controller believes it to be, or this node has no replica any more."""
        self._untold.pop((topic_id, index), None)

    def close(self) -> None:
        self._untold.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        failures = 0
        try:
            while self._untold:
                await asyncio.sleep(0)  # the replicas of one event are told of one after the other
                failures = 0 if await self._send() else min(failures + 1, 16)
                if failures:
                    await asyncio.sleep(min(RETRY_MS << (failures - 1), RETRY_MAX_MS) / 1000)
        finally:
            self._task = None

    async def _send(self) -> bool:
        """Tell of some; whether there was an answer."""
        sent = dict(list(self._untold.items())[:REPLICAS_A_REQUEST])
        if not sent:
            return True
        try:
            response = await self._ask(AssignReplicasToDirsRequest(self._node, self._broker_epoch(), _rows(sent)))
        except Rejected as e:
            logger.info("the controller does not know yet where %d replicas are: %s", len(sent), e)
            return False
        for key, directory in sent.items():
            if self._untold.get(key) == directory:
                del self._untold[key]
        for directory_row in response.directories:
            for topic in directory_row.topics:
                for row in topic.partitions:
                    if row.error_code:
                        why = ErrorCode(row.error_code).name
                        logger.info("replica %s-%d stays where it was: %s", topic.topic_id, row.partition_index, why)
        return True


def _rows(told: dict[Key, DirectoryId]) -> list[RequestDirectoryData]:
    rows: dict[DirectoryId, dict[UUID, list[RequestPartitionData]]] = {}
    for (topic_id, index), directory in told.items():
        rows.setdefault(directory, {}).setdefault(topic_id, []).append(RequestPartitionData(index))
    return [
        RequestDirectoryData(directory, [RequestTopicData(topic_id, found) for topic_id, found in topics.items()])
        for directory, topics in rows.items()
    ]
