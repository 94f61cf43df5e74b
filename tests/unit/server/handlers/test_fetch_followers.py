"""Fetch: a follower's session, most of which is idle most of the time."""

from typing import Any

from server.metadata.records import RemoveTopicRecord
from server.model.errors import ErrorCode
from server.wire.messages.fetch import FetchRequest, FetchTopic, PartitionData, ReplicaState
from tests.support.data_plane import topic_id
from tests.unit.server.handlers.test_fetch import append, bases, fetch, request, rows, want
from tests.unit.server.handlers.worlds import plane, run


def test_an_idle_session_of_a_follower_notices_everything_that_happens() -> None:
    """What a follower has seen is not read again, until something about it has changed."""

    async def main() -> None:
        p = plane(a=2)
        for index in (0, 1):
            p.publish(p.registration("a", index, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        follower: dict[str, Any] = {"replica_state": ReplicaState(2, -1)}
        first = await fetch(p, want(), want(index=1), session_epoch=0, version=16, wait_ms=100, **follower)
        session, epoch = {"session_id": first.session_id, **follower}, 0

        def following(*topics: FetchTopic) -> FetchRequest:
            nonlocal epoch
            epoch += 1
            return request(*topics, session_epoch=epoch, wait_ms=100, **session)

        async def told(*topics: FetchTopic) -> list[PartitionData]:
            return rows(await p.ask(following(*topics), 16))

        for _ in range(3):
            assert await told() == []
        asked = p.start(following(), 16)
        append(p)
        assert [bases(each) for each in rows(await asked)] == [[0]]
        assert p.partition("a").hw == 0
        assert [each.high_watermark for each in await told(want(offset=1))] == [1]
        assert await told() == []
        asked = p.start(following(), 16)
        p.partition("a").delete_records(1)
        assert [each.log_start_offset for each in rows(await asked)] == [1]
        p.publish(p.registration("a", 1, leader=2, epoch=2, replicas=(1, 2), isr=(1, 2), partition_epoch=2))
        assert [(r.partition_index, r.error_code) for r in await told()] == [(1, ErrorCode.NOT_LEADER_OR_FOLLOWER)]
        p.publish(RemoveTopicRecord(topic_id("a")))
        assert [each.error_code for each in await told()] == [ErrorCode.UNKNOWN_TOPIC_ID] * 2

    run(main)


def test_a_follower_that_has_nothing_to_fetch_for_long_does_not_lag_when_something_comes() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        follower: dict[str, Any] = {"replica_state": ReplicaState(2, -1), "version": 16, "wait_ms": 20_000}
        first = await fetch(p, want(), session_epoch=0, **follower)
        for epoch in (1, 2, 3):
            await fetch(p, session_id=first.session_id, session_epoch=epoch, **follower)
        append(p)
        leader = p.partition("a").leader
        assert leader is not None
        assert leader.ticked(p.clock.now_ms()) == ()
        assert p.clock.now_ms() >= 60_000

    run(main)


def test_a_follower_that_lists_a_partition_again_is_told_its_state_again_though_it_waited() -> None:
    """The first look finds nothing to wake it for; the second one, after the wait, must not take it for idle."""

    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", 0, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        follower: dict[str, Any] = {"replica_state": ReplicaState(2, -1), "version": 16, "wait_ms": 100}
        first = await fetch(p, want(), session_epoch=0, **follower)
        session = {"session_id": first.session_id, **follower}
        listed = rows(await fetch(p, want(), session_epoch=1, **session))
        assert [(each.partition_index, each.high_watermark) for each in listed] == [(0, 0)]
        assert rows(await fetch(p, session_epoch=2, **session)) == []

    run(main)
