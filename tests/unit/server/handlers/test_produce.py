"""Produce: one batch for each partition, each with its own fate."""

import asyncio
import errno
from typing import Any

import pytest

from server.model.errors import ErrorCode, Rejected
from server.model.ids import ZERO_UUID, NodeId
from server.net.answers import Disconnect
from server.records import batch
from server.wire.messages.produce import (
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from tests.support.data_plane import DataPlane, topic_id
from tests.unit.server.handlers.worlds import memory, plane, run

ALL = -1
TWO = NodeId(2)
Rows = dict[tuple[str, int], bytes | bytearray | None]


def request(rows: Rows, acks: int = 1, timeout_ms: int = 1000, txn: str | None = None) -> ProduceRequest:
    return ProduceRequest(
        txn,
        acks,
        timeout_ms,
        [
            TopicProduceData(topic, topic_id(topic), [PartitionProduceData(i, data)])
            for (topic, i), data in rows.items()
        ],
    )


def rows(response: ProduceResponse) -> list[PartitionProduceResponse]:
    return [row for topic in response.responses for row in topic.partition_responses]


def row(response: ProduceResponse) -> PartitionProduceResponse:
    (only,) = rows(response)
    return only


async def produce(p: DataPlane, data: Any, version: int = 9, **options: Any) -> PartitionProduceResponse:
    return row(await p.ask(request({("a", 0): data}, **options), version))


def test_each_partition_has_its_own_offsets_and_its_own_error() -> None:
    async def main() -> None:
        p = plane(a=2)
        await produce(p, p.batch(b"x", b"y"))
        corrupt = p.batch(b"z")
        corrupt[-1] ^= 1
        response = await p.ask(
            request({("a", 0): p.batch(b"z"), ("a", 1): p.batch(b"z"), ("a", 2): p.batch(b"z"), ("b", 0): corrupt}), 9
        )
        assert [(each.error_code, each.base_offset) for each in rows(response)] == [
            (0, 2),
            (0, 0),
            (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1),
            (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1),
        ]
        assert row(await p.ask(request({("a", 1): corrupt}), 9)).error_code == ErrorCode.CORRUPT_MESSAGE
        assert p.partition("a", 1).leo == 1, "of a corrupt batch, nothing is written"

    run(main)


@pytest.mark.parametrize("acks", [2, -2, 32767])
def test_other_acks_are_refused(acks: int) -> None:
    async def main() -> None:
        p = plane(a=1)
        with pytest.raises(Rejected) as caught:
            await produce(p, p.batch(b"x"), acks=acks)
        assert caught.value.code == ErrorCode.INVALID_REQUIRED_ACKS
        assert p.partition("a").leo == 0

    run(main)


def test_acks_0_gets_no_answer() -> None:
    async def main() -> None:
        p = plane(a=1)
        assert await p.ask(request({("a", 0): p.batch(b"x")}, acks=0), 9) is None
        p.broker.writes.flush()
        assert p.partition("a").leo == 1

    run(main)


def test_acks_0_learns_of_an_error_by_losing_the_connection() -> None:
    async def main() -> None:
        p = plane(a=1)
        with pytest.raises(Disconnect, match="UNKNOWN_TOPIC_OR_PARTITION"):
            await p.ask(request({("b", 0): p.batch(b"x")}, acks=0), 9)

    run(main)


def test_acks_all_waits_for_the_replicas_of_the_slowest_partition() -> None:
    async def main() -> None:
        p = plane(a=2)
        for index in range(2):
            p.publish(p.registration("a", index, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        asked = p.start(request({("a", 0): p.batch(b"x"), ("a", 1): p.batch(b"y")}, acks=ALL), 9)
        p.partition("a", 0).fetched(TWO, 1)
        await asyncio.sleep(0.5)
        assert not asked.done()
        p.partition("a", 1).fetched(TWO, 1)
        assert [each.error_code for each in rows(await asked)] == [0, 0]
        assert p.clock.now_ms() == 500

    run(main)


def test_acks_all_that_takes_too_long_times_out_and_stays_in_the_log() -> None:
    async def main() -> None:
        p = plane(a=2)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        response = await p.ask(request({("a", 0): p.batch(b"x"), ("a", 1): p.batch(b"y")}, acks=ALL, timeout_ms=700), 9)
        assert [(each.error_code, each.base_offset) for each in rows(response)] == [
            (ErrorCode.REQUEST_TIMED_OUT, -1),
            (0, 0),
        ]
        assert (p.clock.now_ms(), p.partition("a").leo) == (700, 1)

    run(main)


def test_acks_all_whose_leader_steps_down_is_not_acknowledged() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        asked = p.start(request({("a", 0): p.batch(b"x")}, acks=ALL, timeout_ms=9_000), 9)
        p.publish(p.registration("a", 0, leader=2, epoch=2, replicas=(1, 2), isr=(1, 2), partition_epoch=2))
        assert row(await asked).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert p.clock.now_ms() == 0

    run(main)


def test_a_leader_of_a_later_epoch_acknowledges_nothing_of_an_earlier_one() -> None:
    """Between the two another leader may have truncated what waits."""

    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        asked = p.start(request({("a", 0): p.batch(b"x")}, acks=ALL, timeout_ms=9_000), 9)
        for epoch, leader in ((2, 2), (3, 1)):
            p.publish(
                p.registration("a", 0, leader=leader, epoch=epoch, replicas=(1, 2), isr=(1, 2), partition_epoch=epoch)
            )
        p.partition("a").fetched(TWO, 1)
        assert row(await asked).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER

    run(main)


def test_too_few_replicas_in_sync() -> None:
    async def main() -> None:
        p = plane()
        p.create("a", 0, min_insync_replicas="2")
        p.publish(p.registration("a", 0, replicas=(1, 2), isr=(1,)))
        assert (await produce(p, p.batch(b"x"), acks=ALL)).error_code == ErrorCode.NOT_ENOUGH_REPLICAS
        assert (await produce(p, p.batch(b"x"), acks=1)).base_offset == 0

    run(main)


def test_a_failed_write_is_no_success() -> None:
    async def main() -> None:
        p = plane(a=1)
        memory(p).fail(errno.ENOSPC, "write", "*.log")
        answered = await produce(p, p.batch(b"x"))
        assert (answered.error_code, answered.base_offset) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
        assert (await produce(p, p.batch(b"x"))).error_code == ErrorCode.KAFKA_STORAGE_ERROR

    run(main)


def test_not_the_leader_says_who_is() -> None:
    """KIP-951."""

    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, leader=2, epoch=5, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        response = await p.ask(request({("a", 0): p.batch(b"x")}), 10)
        assert row(response).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert row(response).current_leader == LeaderIdAndEpoch(2, 5)
        assert response.node_endpoints == ()
        p.publish(p.registration("a", 0, leader=1, epoch=6, replicas=(1, 2), isr=(1, 2), partition_epoch=2))
        p.partition("a").close()
        response = await p.ask(request({("a", 0): p.batch(b"x")}), 10)
        assert response.node_endpoints == [NodeEndpoint(1, "host1", 9092, "")]

    run(main)


def test_topics_by_id() -> None:
    """KIP-516: version 13 names topics by id."""

    async def main() -> None:
        p = plane(a=1)
        wanted = request({("a", 0): p.batch(b"x"), ("b", 0): p.batch(b"x")})
        for topic in wanted.topic_data:
            topic.name = ""
        response = await p.ask(wanted, 13)
        assert [(topic.topic_id, topic.partition_responses[0].error_code) for topic in response.responses] == [
            (topic_id("a"), 0),
            (topic_id("b"), ErrorCode.UNKNOWN_TOPIC_ID),
        ]
        wanted.topic_data[0].topic_id = ZERO_UUID
        assert rows(await p.ask(wanted, 13))[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID

    run(main)


def test_a_repeated_batch_of_an_idempotent_producer_gets_its_old_offset() -> None:
    """KIP-98."""

    async def main() -> None:
        p = plane(a=1)
        sent = [p.batch(b"x", producer_id=7, producer_epoch=0, base_sequence=n) for n in range(3)]
        again = bytearray(sent[1])
        assert [(await produce(p, each)).base_offset for each in sent] == [0, 1, 2]
        assert (await produce(p, again)).base_offset == 1
        gap = p.batch(b"x", producer_id=7, producer_epoch=0, base_sequence=9)
        assert (await produce(p, gap)).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert p.partition("a").leo == 3

    run(main)


def test_a_repeated_batch_waits_for_replication_like_the_first() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        first, second = (p.batch(b"x", producer_id=7, producer_epoch=0, base_sequence=n) for n in range(2))
        again = bytearray(first)
        asked = [p.start(request({("a", 0): each}, acks=ALL, timeout_ms=9_000), 9) for each in (first, second, again)]
        p.partition("a").fetched(TWO, 1)
        assert row(await asked[0]).base_offset == row(await asked[2]).base_offset == 0
        assert not asked[1].done()
        p.partition("a").fetched(TWO, 2)
        assert row(await asked[1]).base_offset == 1

    run(main)


def test_a_transactions_batch_needs_its_transactional_id() -> None:
    async def main() -> None:
        p = plane(a=1)
        batch_of_txn = p.batch(b"x", producer_id=7, producer_epoch=0, base_sequence=0, transactional=True)
        assert (await produce(p, batch_of_txn)).error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED

    run(main)


def test_nobody_writes_to_the_coordinators_topics() -> None:
    async def main() -> None:
        p = plane(__consumer_offsets=1)
        response = await p.ask(request({("__consumer_offsets", 0): p.batch(b"x")}), 9)
        assert row(response).error_code == ErrorCode.INVALID_TOPIC_EXCEPTION

    run(main)


@pytest.mark.parametrize(("version", "code"), [(6, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE), (7, 0)])
def test_zstd_is_for_clients_that_know_it(version: int, code: int) -> None:
    """KIP-110."""

    async def main() -> None:
        p = plane(a=1)
        assert (await produce(p, p.batch(b"x", codec=batch.ZSTD), version)).error_code == code

    run(main)


@pytest.mark.parametrize("data", [None, b"", b"x" * 10, b"\0" * 61])
def test_what_is_no_batch(data: bytes | None) -> None:
    async def main() -> None:
        p = plane(a=1)
        assert (await produce(p, data)).error_code in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)
        assert p.partition("a").leo == 0

    run(main)


def test_too_large_for_the_topic() -> None:
    async def main() -> None:
        p = plane()
        p.create("a", max_message_bytes="1000")
        assert (await produce(p, p.batch(b"x" * 1000))).error_code == ErrorCode.MESSAGE_TOO_LARGE
        assert (await produce(p, p.batch(b"x" * 900))).error_code == 0

    run(main)


def test_records_that_are_wrong_are_named() -> None:
    """KIP-467."""

    async def main() -> None:
        p = plane()
        p.create("a", cleanup_policy="compact")
        answered = await produce(p, p.batch(b"x", b"y"))
        assert answered.error_code == ErrorCode.INVALID_RECORD
        assert [each.batch_index for each in answered.record_errors] == [0, 1]
        assert answered.error_message

    run(main)


def test_the_time_of_an_append() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.create("b", message_timestamp_type="LogAppendTime")
        assert (await produce(p, p.batch(b"x", timestamp_ms=12345))).log_append_time_ms == -1
        answered = row(await p.ask(request({("b", 0): p.batch(b"x", timestamp_ms=12345)}), 9))
        assert answered.log_append_time_ms == p.clock.timestamp_ms()

    run(main)
