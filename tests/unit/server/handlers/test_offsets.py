"""ListOffsets, OffsetForLeaderEpoch, DeleteRecords: offsets by time, by name, by epoch; and the log start, moved."""

from typing import Any

import pytest

from server.log.log import Origin
from server.model.errors import ErrorCode
from server.model.ids import NodeId
from server.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from server.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from server.wire.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.support.data_plane import DataPlane
from tests.unit.server.handlers.worlds import plane, run

TWO = NodeId(2)
NOWHERE = (0, -1, -1, -1)


def append(p: DataPlane, *timestamps: int, topic: str = "a", **options: Any) -> None:
    for timestamp in timestamps:
        data = p.batch(b"v", timestamp_ms=timestamp, **options)
        p.partition(topic).append(data, all_replicas=False, origin=Origin.COORDINATOR)


async def find(p: DataPlane, timestamp: int, version: int = 11, **fields: Any) -> tuple[int, int, int, int]:
    """(error code, timestamp, offset, leader epoch)."""
    epoch = fields.pop("current_leader_epoch", -1)
    request = ListOffsetsRequest(-1, topics=[ListOffsetsTopic("a", [ListOffsetsPartition(0, epoch, timestamp)])])
    for name, value in fields.items():
        setattr(request, name, value)
    response = await p.ask(request, version)
    (topic,) = response.topics
    (row,) = topic.partitions
    assert (topic.name, row.partition_index) == ("a", 0)
    return row.error_code, row.timestamp, row.offset, row.leader_epoch


def test_places_with_a_name() -> None:
    async def main() -> None:
        p = plane(a=1)
        append(p, 100, 300, 200)
        p.publish(p.registration("a", epoch=2, partition_epoch=1))
        append(p, 150)
        p.partition("a").delete_records(1)
        assert await find(p, -1) == (0, -1, 4, 2)
        assert await find(p, -2) == (0, -1, 1, 0)
        assert await find(p, -3) == (0, 300, 1, 0)
        assert await find(p, -4) == (0, -1, 1, 0)
        assert await find(p, -5) == NOWHERE
        assert await find(p, -6) == NOWHERE

    run(main)


def test_an_empty_log() -> None:
    async def main() -> None:
        p = plane(a=1)
        assert await find(p, -1) == (0, -1, 0, 0)
        assert (await find(p, -2))[:3] == (0, -1, 0)
        assert await find(p, -3) == NOWHERE
        assert await find(p, 0) == NOWHERE

    run(main)


@pytest.mark.parametrize(("timestamp", "expected"), [(0, (100, 0)), (100, (100, 0)), (101, (300, 1)), (300, (300, 1))])
def test_a_time_gives_the_first_record_as_young(timestamp: int, expected: tuple[int, int]) -> None:
    async def main() -> None:
        p = plane(a=1)
        append(p, 100, 300, 200)
        assert await find(p, timestamp) == (0, *expected, 0)
        assert await find(p, 301) == NOWHERE

    run(main)


def test_what_a_client_may_not_see_is_not_found() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        append(p, 100, 200, 300)
        p.partition("a").fetched(TWO, 1)
        assert (await find(p, -1))[2] == 1
        assert (await find(p, -1, replica_id=2))[2] == 3, "a replica sees the end"
        assert await find(p, 200) == NOWHERE
        assert await find(p, -3) == NOWHERE
        assert (await find(p, 200, replica_id=2))[2] == 1

    run(main)


def test_read_committed_ends_at_the_open_transaction() -> None:
    async def main() -> None:
        p = plane(a=1)
        append(p, 100)
        append(p, 200, producer_id=7, producer_epoch=0, base_sequence=0, transactional=True)
        append(p, 300)
        assert (await find(p, -1))[2] == 3
        assert (await find(p, -1, isolation_level=1))[2] == 1
        assert await find(p, 200, isolation_level=1) == NOWHERE

    run(main)


def test_a_new_leader_does_not_know_yet_what_is_committed() -> None:
    """KIP-207: or else the latest offset would go back at a failover."""

    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        append(p, 100, 200)
        p.publish(p.registration("a", epoch=2, replicas=(1, 2), isr=(1, 2), partition_epoch=2))
        for timestamp in (-1, 200, -3):
            assert (await find(p, timestamp))[0] == ErrorCode.OFFSET_NOT_AVAILABLE
        assert (await find(p, -2))[0] == 0
        p.partition("a").fetched(TWO, 2)
        assert await find(p, -1) == (0, -1, 2, 2)

    run(main)


def test_errors_of_list_offsets() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", epoch=3, partition_epoch=1))
        assert (await find(p, -1, current_leader_epoch=2))[0] == ErrorCode.FENCED_LEADER_EPOCH
        assert (await find(p, -1, current_leader_epoch=4))[0] == ErrorCode.UNKNOWN_LEADER_EPOCH
        assert (await find(p, -3, 6))[0] == ErrorCode.UNSUPPORTED_VERSION
        assert (await find(p, -7))[0] == ErrorCode.UNSUPPORTED_VERSION
        response = await p.ask(ListOffsetsRequest(-1, topics=[ListOffsetsTopic("b", [ListOffsetsPartition(0)])]), 11)
        assert response.topics[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    run(main)


async def end_of(p: DataPlane, epoch: int, topic: str = "a", current: int = -1) -> EpochEndOffset:
    request = OffsetForLeaderEpochRequest(
        topics=[OffsetForLeaderTopic(topic, [OffsetForLeaderPartition(0, current, epoch)])]
    )
    response = await p.ask(request, 4)
    found = response.topics[0].partitions[0]
    assert isinstance(found, EpochEndOffset)
    return found


def test_where_an_epoch_ends() -> None:
    """KIP-279: an epoch that never was ends where the one before it does."""

    async def main() -> None:
        p = plane(a=1)
        append(p, 100, 200)
        p.publish(p.registration("a", epoch=3, partition_epoch=1))
        append(p, 300)
        assert await end_of(p, 0) == EpochEndOffset(0, 0, 0, 2)
        assert await end_of(p, 2) == EpochEndOffset(0, 0, 0, 2)
        assert await end_of(p, 3) == EpochEndOffset(0, 0, 3, 3)
        assert await end_of(p, 4) == EpochEndOffset(0, 0, -1, -1)
        assert await end_of(p, 3, current=2) == EpochEndOffset(ErrorCode.FENCED_LEADER_EPOCH, 0)
        assert await end_of(p, 0, "b") == EpochEndOffset(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0)

    run(main)


async def delete(p: DataPlane, offset: int, topic: str = "a") -> tuple[int, int]:
    request = DeleteRecordsRequest([DeleteRecordsTopic(topic, [DeleteRecordsPartition(0, offset)])], 1000)
    response = await p.ask(request, 2)
    row = response.topics[0].partitions[0]
    return row.error_code, row.low_watermark


def test_deleting_records_moves_the_log_start() -> None:
    """KIP-107."""

    async def main() -> None:
        p = plane(a=1, __consumer_offsets=1)
        append(p, 100, 200, 300)
        assert await delete(p, 2) == (0, 2)
        assert await delete(p, 1) == (0, 2), "it never goes back"
        assert await delete(p, 4) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
        assert await delete(p, -2) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
        assert await delete(p, -1) == (0, 3)
        assert await delete(p, 0, "b") == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
        assert await delete(p, 0, "__consumer_offsets") == (ErrorCode.INVALID_TOPIC_EXCEPTION, -1)
        p.create("c", cleanup_policy="compact")
        assert await delete(p, -1, "c") == (ErrorCode.POLICY_VIOLATION, -1)
        assert (await find(p, -2))[2] == 3

    run(main)
