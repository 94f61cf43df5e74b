"""Batches of a Produce that are staged, and its answer, once they are written and replicated."""

from collections.abc import Awaitable
from typing import NamedTuple

from server.broker.partition import Partition
from server.broker.waiters import Acks
from server.model.errors import ErrorCode
from server.model.ids import LeaderEpoch
from server.net.answers import AfterWrite
from server.wire.messages.produce import PartitionProduceResponse, ProduceResponse

ALL = -1


class Staged(NamedTuple):
    """A batch whose row is true once it is written, or replicated."""

    row: PartitionProduceResponse
    partition: Partition
    leader_epoch: LeaderEpoch
    next_offset: int


class Written(AfterWrite[ProduceResponse | Awaitable[ProduceResponse]]):
    """The response, once the batches are written."""

    __slots__ = ("acks", "response", "staged", "timeout_ms")

    def __init__(self, response: ProduceResponse, staged: list[Staged], acks: int, timeout_ms: int) -> None:
        self.response, self.staged, self.acks, self.timeout_ms = response, staged, acks, timeout_ms

    def settle(self) -> ProduceResponse | Awaitable[ProduceResponse]:
        waits = []
        for row, partition, _, next_offset in self.staged:
            if partition.log.failed:
                _fail(row, ErrorCode.KAFKA_STORAGE_ERROR)
            elif self.acks == ALL and partition.hw < next_offset:
                waits.append((partition.commits, next_offset))
        return _replicated(Acks(waits, self.timeout_ms), self.response, self.staged) if waits else self.response


async def _replicated(acks: Acks, response: ProduceResponse, staged: list[Staged]) -> ProduceResponse:
    await acks.done()
    for row, partition, leader_epoch, next_offset in staged:
        if row.error_code:
            continue
        if partition.log.failed:
            _fail(row, ErrorCode.KAFKA_STORAGE_ERROR)
        elif partition.leader is None or partition.leader_epoch != leader_epoch:
            _fail(row, ErrorCode.NOT_LEADER_OR_FOLLOWER)
        elif partition.hw < next_offset:
            _fail(row, ErrorCode.REQUEST_TIMED_OUT)
        elif partition.leader.below_min_isr:
            _fail(row, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
    return response


def _fail(row: PartitionProduceResponse, code: ErrorCode) -> None:
    row.error_code, row.base_offset, row.log_start_offset = code, -1, -1
