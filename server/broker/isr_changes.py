"""IsrChanges: takes the ISRs that this node's leaders propose to the active controller.

All that is proposed while one request is on its way goes with the next one. A request that got no answer may have been
carried out: it is repeated as it was, until an answer or the metadata says what became of it. An answer that the
controller certainly refused frees the leader to propose anew. One that says that the leader knows too little does not:
the metadata that the leader lacks is on its way, or it was never committed, for a controller decides by what it has
appended and may lose again. So that proposal is repeated as well.

Source: KIP-497.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from server.broker.partition import Partition
from server.model.errors import ErrorCode, Rejected
from server.model.ids import BrokerEpoch, NodeId
from server.net.peer import Unreachable
from server.replication.leader import PartitionLeader, ProposeIsr
from server.wire.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionResponse,
    BrokerState,
    RequestPartitionData,
    RequestTopicData,
    ResponsePartitionData,
)

logger = logging.getLogger(__name__)

RETRY_MS, RETRY_MAX_MS = 50, 1_000
PARTITIONS_A_REQUEST = 1_000  # a controller that decides on many for a second does nothing else meanwhile
REFUSED = (ErrorCode.INELIGIBLE_REPLICA, ErrorCode.OPERATION_NOT_ATTEMPTED)
Ask = Callable[[AlterPartitionRequest], Awaitable[AlterPartitionResponse]]
Key = tuple[UUID, int]


class IsrChanges:
    def __init__(self, node: NodeId, broker_epoch: Callable[[], BrokerEpoch], ask: Ask) -> None:
        """ask: gets the active controller's answer. Raises Rejected, Unreachable."""
        self._node, self._broker_epoch, self._ask = node, broker_epoch, ask
        self._open: dict[Key, tuple[Partition, PartitionLeader, ProposeIsr]] = {}
        self._task: asyncio.Task[None] | None = None

    def propose(self, partition: Partition, wanted: ProposeIsr) -> None:
        assert partition.leader is not None
        self._open[partition.topic_id, partition.index] = (partition, partition.leader, wanted)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        self._open.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        failures = 0
        try:
            while self._open:
                failures = 0 if await self._send() else min(failures + 1, 16)
                if failures:
                    await asyncio.sleep(min(RETRY_MS << (failures - 1), RETRY_MAX_MS) / 1000)
                self._open = {key: row for key, row in self._open.items() if _is_open(*row)}
        finally:
            self._task = None

    async def _send(self) -> bool:
        """Send all that is open, and take in the answer; whether every row was settled by it."""
        await asyncio.sleep(0)  # the partitions that one event touches propose one after the other
        self._open = {key: row for key, row in self._open.items() if _is_open(*row)}
        sent = dict(list(self._open.items())[:PARTITIONS_A_REQUEST])
        if not sent:
            return True
        topics: dict[UUID, list[RequestPartitionData]] = {}
        for (topic_id, index), (_, leader, wanted) in sent.items():
            topics.setdefault(topic_id, []).append(self._row(index, leader, wanted))
        rows = [RequestTopicData(topic_id, rows) for topic_id, rows in topics.items()]
        try:
            response = await self._ask(AlterPartitionRequest(self._node, self._broker_epoch(), rows))
            if response.error_code:
                raise Rejected(ErrorCode(response.error_code))
        except (Rejected, Unreachable) as e:
            logger.debug("the controller gave no answer about ISRs: %s", e)
            return False
        answers = {(topic.topic_id, row.partition_index): row for topic in response.topics for row in topic.partitions}
        settled = [self._settle(key, sent[key], answers.get(key)) for key in sent]
        return all(settled)

    def _row(self, index: int, leader: PartitionLeader, wanted: ProposeIsr) -> RequestPartitionData:
        members = [
            BrokerState(each, self._broker_epoch() if each == self._node else leader.broker_epoch(each))
            for each in sorted(wanted.isr)
        ]
        return RequestPartitionData(
            index,
            leader.epoch,
            [each.broker_id for each in members],
            members,
            partition_epoch=wanted.partition_epoch,
        )

    def _settle(
        self, key: Key, sent: tuple[Partition, PartitionLeader, ProposeIsr], row: ResponsePartitionData | None
    ) -> bool:
        """Whether nothing is left to send for this partition, at once or later."""
        if self._open.get(key) is not sent:
            return True
        code = ErrorCode.UNKNOWN_SERVER_ERROR if row is None else ErrorCode(row.error_code)
        partition, _, wanted = sent
        if code == ErrorCode.NONE:
            assert row is not None
            del self._open[key]
            if row.partition_epoch > wanted.partition_epoch:
                partition.altered(frozenset(map(NodeId, row.isr)), row.partition_epoch)
            elif _is_open(*sent):
                partition.proposal_refused()  # there was nothing to change
            return True
        logger.info("the controller refused the ISR %s of %s: %s", sorted(wanted.isr), partition, code.name)
        if code in REFUSED:
            del self._open[key]
            if _is_open(*sent):
                partition.proposal_refused()
        return False  # what the leader would propose next at once would be refused again


def _is_open(partition: Partition, leader: PartitionLeader, wanted: ProposeIsr) -> bool:
    return partition.leader is leader and leader.partition_epoch == wanted.partition_epoch
