"""GetReplicaLogInfo: how far replicas reach. Source: KIP-966, part 2."""

from uuid import UUID

from server.log.log import Origin
from server.model.errors import ErrorCode
from server.wire import api
from server.wire.messages.get_replica_log_info import (
    GetReplicaLogInfoRequest,
    GetReplicaLogInfoResponse,
    PartitionLogInfo,
    TopicPartitionLogInfo,
    TopicPartitions,
)
from tests.support.data_plane import DataPlane, topic_id
from tests.unit.server.handlers.worlds import plane, run


async def tell(p: DataPlane, *indexes: int) -> list[PartitionLogInfo]:
    answer = await p.ask(GetReplicaLogInfoRequest([TopicPartitions(topic_id("a"), indexes)]), 0)
    (topic,) = answer.topic_partition_log_info_list
    assert topic.topic_id == topic_id("a")
    assert answer.broker_epoch == p.broker.broker_epoch
    return list(topic.partition_log_info)


def append(p: DataPlane) -> None:
    p.partition("a").append(p.batch(b"v"), all_replicas=False, origin=Origin.COORDINATOR)


def test_leaders_and_followers_tell_alike_and_an_epoch_without_a_record_does_not_count() -> None:
    async def main() -> None:
        p = plane(a=1)
        assert await tell(p, 0) == [PartitionLogInfo(0, 0, 0, 0)]
        append(p)
        p.publish(p.registration("a", epoch=4, partition_epoch=1))
        assert await tell(p, 0) == [PartitionLogInfo(0, 0, 4, 1)]
        append(p)
        nobody = p.registration("a", leader=-1, epoch=5, isr=(), partition_epoch=2)
        p.publish(nobody)
        assert await tell(p, 0) == [PartitionLogInfo(0, 4, 5, 2)]

    run(main)


def test_what_is_not_here_is_said_so() -> None:
    async def main() -> None:
        p = plane(a=1)
        assert await tell(p, 7) == [PartitionLogInfo(7, -1, -1, -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]

    run(main)


def test_a_response_holds_a_thousand_partitions() -> None:
    async def main() -> None:
        p = plane(a=1)
        wanted = [TopicPartitions(topic_id("a"), range(999)), TopicPartitions(UUID(int=1), (5, 6, 7))]
        answer = await p.ask(GetReplicaLogInfoRequest(wanted), 0)
        assert answer.truncated
        assert [len(each.partition_log_info) for each in answer.topic_partition_log_info_list] == [999, 1]

    run(main)


def test_the_bytes_are_those_of_kafkas_schema() -> None:
    """Written out by the schema of Kafka's development branch; no release has the API yet."""
    id_ = UUID(int=0x0102030405060708090A0B0C0D0E0F10)
    request = GetReplicaLogInfoRequest([TopicPartitions(id_, (1, 2))])
    wire = "02 0102030405060708090a0b0c0d0e0f10 03 00000001 00000002 00 00"
    assert api.encode_request(93, 0, request) == bytes.fromhex(wire)
    assert api.encode_request(93, 0, GetReplicaLogInfoRequest(None)) == b"\0\0"
    rows = (PartitionLogInfo(1, 5, 6, 1 << 32, 0),)
    response = GetReplicaLogInfoResponse(3, 9, True, (TopicPartitionLogInfo(id_, rows),))
    told = "00000003 0000000000000009 01 02 0102030405060708090a0b0c0d0e0f10"
    told += "02 00000001 00000005 00000006 0000000100000000 0000 00 00 00"
    assert api.encode_response(93, 0, response) == bytes.fromhex(told)
    assert api.decode_response(93, 0, api.encode_response(93, 0, response)) == response
