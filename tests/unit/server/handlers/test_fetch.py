"""Fetch: what a consumer and a follower get, when, and how much of it."""

import asyncio
from typing import Any

import pytest

from server.log.log import Origin
from server.metadata.records import RemoveTopicRecord
from server.model.errors import ErrorCode, Rejected
from server.model.ids import ZERO_UUID, NodeId
from server.records.batch import frames
from server.records.control import EndTxn, batch_of
from server.wire import api
from server.wire.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    NodeEndpoint,
    PartitionData,
    ReplicaState,
)
from tests.support.data_plane import DataPlane, topic_id
from tests.unit.server.handlers.worlds import plane, run

TWO = NodeId(2)
LARGE = 1 << 30


def want(topic: str = "a", index: int = 0, offset: int = 0, max_bytes: int = LARGE, **fields: Any) -> FetchTopic:
    return FetchTopic(
        topic, topic_id(topic), [FetchPartition(index, fetch_offset=offset, partition_max_bytes=max_bytes, **fields)]
    )


def request(*topics: FetchTopic, min_bytes: int = 1, wait_ms: int = 500, **fields: Any) -> FetchRequest:
    return FetchRequest(topics=topics, min_bytes=min_bytes, max_wait_ms=wait_ms, **fields)


def rows(response: FetchResponse) -> list[PartitionData]:
    return [row for topic in response.responses for row in topic.partitions]


def row(response: FetchResponse) -> PartitionData:
    (only,) = rows(response)
    return only


def bases(row: PartitionData) -> list[int]:
    """The base offsets of the batches that came."""
    assert isinstance(row.records, bytes | memoryview)
    found = list(frames(row.records))
    assert sum(size for _, size, _ in found) == len(row.records), "whole batches only"
    return [base for _, _, base in found]


def append(p: DataPlane, topic: str = "a", index: int = 0, n: int = 1, size: int = 10, **options: Any) -> None:
    partition = p.partition(topic, index)
    for _ in range(n):
        partition.append(p.batch(b"v" * size, **options), all_replicas=False, origin=Origin.COORDINATOR)


async def fetch(p: DataPlane, *topics: FetchTopic, version: int = 12, **options: Any) -> FetchResponse:
    response = await p.ask(request(*topics, **options), version)
    assert isinstance(response, FetchResponse)
    api.encode_response_pieces(1, version, response)
    return response


def test_what_there_is_comes_at_once() -> None:
    async def main() -> None:
        p = plane(a=2)
        append(p, n=3)
        answered = await fetch(p, want(), want(index=1))
        assert [(r.partition_index, r.high_watermark, r.last_stable_offset, bases(r)) for r in rows(answered)] == [
            (0, 3, 3, [0, 1, 2]),
            (1, 0, 0, []),
        ]
        assert p.clock.now_ms() == 0

    run(main)


def test_an_offset_inside_a_batch_gives_the_batch_whole() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.partition("a").append(p.batch(b"x", b"y", b"z"), all_replicas=False, origin=Origin.CLIENT)
        append(p)
        assert bases(row(await fetch(p, want(offset=1)))) == [0, 3]
        assert bases(row(await fetch(p, want(offset=3)))) == [3]

    run(main)


def test_the_first_batch_comes_whatever_its_size() -> None:
    """KIP-74."""

    async def main() -> None:
        p = plane(a=2)
        append(p, n=3, size=1000)
        append(p, index=1, n=3, size=1000)
        answered = await fetch(p, want(max_bytes=1), want(index=1, max_bytes=1))
        assert [bases(r) for r in rows(answered)] == [[0], []]
        answered = await fetch(p, want(), want(index=1), max_bytes=2500)
        assert [bases(r) for r in rows(answered)] == [[0, 1], []]
        answered = await fetch(p, want(), want(index=1), max_bytes=0)
        assert [bases(r) for r in rows(answered)] == [[0], []]

    run(main)


def test_an_empty_partition_leaves_the_first_batch_to_the_next() -> None:
    async def main() -> None:
        p = plane(a=2)
        append(p, index=1, size=1000)
        assert [bases(r) for r in rows(await fetch(p, want(), want(index=1), max_bytes=1))] == [[], [0]]

    run(main)


def test_the_brokers_own_limit() -> None:
    async def main() -> None:
        p = plane(properties={"fetch.max.bytes": "2500"}, a=1)
        append(p, n=5, size=1000)
        assert bases(row(await fetch(p, want()))) == [0, 1]

    run(main)


def test_a_poll_ends_when_something_comes() -> None:
    async def main() -> None:
        p = plane(a=2)
        asked = p.start(request(want(), want(index=1)), 12)
        await asyncio.sleep(0.2)
        append(p, index=1)
        assert [bases(r) for r in rows(await asked)] == [[], [0]]
        assert p.clock.now_ms() == 200

    run(main)


def test_a_poll_ends_at_its_time_with_nothing() -> None:
    async def main() -> None:
        p = plane(a=1)
        assert bases(row(await fetch(p, want(), wait_ms=300))) == []
        assert p.clock.now_ms() == 300
        assert bases(row(await fetch(p, want(), wait_ms=0))) == []
        assert p.clock.now_ms() == 300

    run(main)


def test_a_poll_waits_for_min_bytes_in_all_partitions_together() -> None:
    async def main() -> None:
        p = plane(a=2)
        size = len(p.batch(b"v" * 10))
        asked = p.start(request(want(), want(index=1), min_bytes=3 * size), 12)
        append(p)
        append(p, index=1)
        await asyncio.sleep(0.1)
        assert not asked.done()
        append(p)
        assert [bases(r) for r in rows(await asked)] == [[0, 1], [0]]
        assert p.clock.now_ms() == 100

    run(main)


def test_what_came_too_little_comes_at_the_end_of_the_time() -> None:
    async def main() -> None:
        p = plane(a=1)
        asked = p.start(request(want(), min_bytes=1_000_000), 12)
        append(p)
        assert bases(row(await asked)) == [0]
        assert p.clock.now_ms() == 500

    run(main)


def test_min_bytes_is_no_more_than_an_answer_may_hold() -> None:
    async def main() -> None:
        p = plane(a=1)
        append(p, n=3, size=1000)
        await fetch(p, want(), min_bytes=100_000, max_bytes=1000)
        assert p.clock.now_ms() == 0

    run(main)


def test_an_error_is_told_at_once() -> None:
    async def main() -> None:
        p = plane(a=1)
        answered = await fetch(p, want(), want("b"), want(index=9))
        assert [r.error_code for r in rows(answered)] == [
            0,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ]
        assert p.clock.now_ms() == 0

    run(main)


def test_a_leader_that_is_known_is_named_with_its_address() -> None:
    """KIP-951."""

    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=5, partition_epoch=1))
        answered = await fetch(p, want(current_leader_epoch=4), version=16)
        assert row(answered).error_code == ErrorCode.FENCED_LEADER_EPOCH
        assert answered.node_endpoints == [NodeEndpoint(1, "host1", 9092, "")]

    run(main)


def test_epochs() -> None:
    async def main() -> None:
        p = plane(a=1)
        assert row(await fetch(p, want(current_leader_epoch=1))).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
        assert row(await fetch(p, want(current_leader_epoch=0), wait_ms=0)).error_code == 0

    run(main)


@pytest.mark.parametrize(("offset", "code"), [(-1, 1), (1, 1), (2, 0), (5, 0), (6, 1)])
def test_offsets_outside_the_log(offset: int, code: int) -> None:
    async def main() -> None:
        p = plane(a=1)
        append(p, n=5)
        p.partition("a").delete_records(2)
        answered = row(await fetch(p, want(offset=offset), wait_ms=0))
        assert answered.error_code == code
        if not code:
            assert (answered.high_watermark, answered.log_start_offset) == (5, 2)

    run(main)


def test_a_consumer_sees_no_more_than_what_is_committed() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        append(p, n=5)
        assert bases(row(await fetch(p, want(), wait_ms=0))) == []
        p.partition("a").fetched(TWO, 3)
        assert bases(row(await fetch(p, want(), wait_ms=0))) == [0, 1, 2]
        assert bases(row(await fetch(p, want(offset=4), wait_ms=0))) == [], "committed or not, it exists"
        asked = p.start(request(want(offset=3)), 12)
        p.partition("a").fetched(TWO, 4)
        assert bases(row(await asked)) == [3]

    run(main)


@pytest.mark.parametrize("version", [11, 15])
def test_a_follower_sees_everything_and_says_what_it_holds(version: int) -> None:
    """KIP-903: version 15 has the replica id in a struct of its own."""

    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        append(p, n=5)
        us: dict[str, Any] = {"replica_state": ReplicaState(2, 1)} if version == 15 else {"replica_id": 2}
        answered = row(await fetch(p, want(), version=version, **us))
        assert (bases(answered), answered.high_watermark) == ([0, 1, 2, 3, 4], 0)
        answered = row(await fetch(p, want(offset=5), version=version, wait_ms=0, **us))
        assert (bases(answered), answered.high_watermark) == ([], 5)

    run(main)


def test_a_follower_is_woken_by_an_append_that_is_not_committed() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        asked = p.start(request(want(), replica_id=2), 11)
        append(p)
        assert bases(row(await asked)) == [0]
        assert (p.clock.now_ms(), p.partition("a").hw) == (0, 0)

    run(main)


def test_logs_that_part_are_told_where() -> None:
    """KIP-595."""

    async def main() -> None:
        p = plane(a=1)
        append(p, n=2)
        p.publish(p.registration("a", 0, epoch=3, partition_epoch=1))
        append(p, n=2)
        for epoch, offset, expected in ((0, 3, (0, 2)), (2, 2, (0, 2)), (3, 5, (3, 4))):
            answered = row(await fetch(p, want(offset=offset, last_fetched_epoch=epoch)))
            assert (answered.error_code, answered.diverging_epoch) == (0, EpochEndOffset(*expected))
            assert bases(answered) == []
        answered = row(await fetch(p, want(offset=2, last_fetched_epoch=0)))
        assert (answered.diverging_epoch, bases(answered)) == (EpochEndOffset(), [2, 3])
        answered = row(await fetch(p, want(offset=4, last_fetched_epoch=4)))
        assert answered.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        assert p.clock.now_ms() == 0

    run(main)


def test_topics_by_id() -> None:
    async def main() -> None:
        p = plane(a=1)
        append(p)
        known, unknown, none = want(), want("b"), want()
        known.topic = unknown.topic = ""
        none.topic_id = ZERO_UUID
        answered = await fetch(p, known, unknown, none, version=13)
        assert [(topic.topic_id, topic.partitions[0].error_code) for topic in answered.responses] == [
            (topic_id("a"), 0),
            (topic_id("b"), ErrorCode.UNKNOWN_TOPIC_ID),
            (ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_ID),
        ]

    run(main)


def test_a_session_tells_only_what_changed() -> None:
    """KIP-227."""

    async def main() -> None:
        p = plane(a=3)
        append(p)
        first = await fetch(p, want(), want(index=1), want(index=2), session_epoch=0)
        assert (first.session_id > 0, len(rows(first))) == (True, 3)
        session = {"session_id": first.session_id}
        second = await fetch(p, want(offset=1), session_epoch=1, wait_ms=100, **session)
        assert (second.session_id, rows(second)) == (first.session_id, [])
        assert p.clock.now_ms() == 100
        asked = p.start(request(session_epoch=2, **session), 12)
        append(p, index=2)
        third = await asked
        assert [(r.partition_index, bases(r)) for r in rows(third)] == [(2, [0])]
        with pytest.raises(Rejected) as caught:
            await fetch(p, session_epoch=2, **session)
        assert caught.value.code == ErrorCode.INVALID_FETCH_SESSION_EPOCH

    run(main)


def test_a_topic_that_is_deleted_ends_the_polls_on_it() -> None:
    async def main() -> None:
        p = plane(a=1)
        asked = p.start(request(want()), 12)
        await asyncio.sleep(0.1)
        p.publish(RemoveTopicRecord(topic_id("a")))
        assert row(await asked).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert p.clock.now_ms() == 100

    run(main)


def test_read_committed_ends_at_the_open_transaction_and_names_the_aborted() -> None:
    """KIP-98."""

    async def main() -> None:
        p = plane(a=1)
        partition = p.partition("a")
        txn: dict[str, Any] = {"producer_id": 7, "producer_epoch": 0, "transactional": True}
        append(p)
        append(p, base_sequence=0, **txn)
        append(p)
        committed = row(await fetch(p, want(), isolation_level=1))
        assert (committed.last_stable_offset, bases(committed), committed.aborted_transactions) == (1, [0], [])
        assert bases(row(await fetch(p, want()))) == [0, 1, 2]
        asked = p.start(request(want(offset=1), isolation_level=1), 12)
        now = p.clock.timestamp_ms()
        marker = batch_of([EndTxn(False, 0)], timestamp_ms=now, producer_id=7, producer_epoch=0, transactional=True)
        partition.append(bytearray(marker), all_replicas=False, origin=Origin.COORDINATOR)
        answered = row(await asked)
        assert (answered.last_stable_offset, bases(answered)) == (4, [1, 2, 3])
        assert answered.aborted_transactions == [AbortedTransaction(7, 1)]
        assert row(await fetch(p, want())).aborted_transactions is None
        assert p.clock.now_ms() == 0

    run(main)
