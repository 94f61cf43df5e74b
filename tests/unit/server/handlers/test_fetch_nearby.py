"""Fetch from the closest replica: what a leader tells, what a follower gives. Source: KIP-392."""

import asyncio
from typing import Any

import pytest

from server.log.log import Origin
from server.metadata import records as r
from server.model.errors import ErrorCode
from server.model.ids import BrokerEpoch, NodeId
from server.model.settings.replicas import RACK_AWARE_SELECTOR
from server.replication.follower import Position
from server.wire.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    LeaderIdAndEpoch,
    PartitionData,
)
from tests.support.data_plane import LISTENER, DataPlane, topic_id
from tests.unit.server.handlers.worlds import plane, run

TWO = NodeId(2)


def rack_aware(selector: str | None = RACK_AWARE_SELECTOR) -> DataPlane:
    """Broker 1 (this one) in rack east, broker 2 in rack west, where nobody fetches from."""
    p = plane(properties={"replica.selector.class": selector} if selector else {}, a=1)
    for node, rack in ((1, "east"), (2, "west")):
        p.publish(
            r.RegisterBrokerRecord(
                NodeId(node),
                broker_epoch=BrokerEpoch(5),
                end_points=(r.EndPoint(LISTENER, "host1", 9092),) if node == 1 else (),
                rack=rack,
                fenced=False,
            )
        )
    return p


def leads(p: DataPlane) -> DataPlane:
    p.publish(p.registration("a", epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
    p.partition("a").append(p.batch(b"x", b"y"), all_replicas=False, origin=Origin.COORDINATOR)
    p.partition("a").fetched(TWO, 2, 0)
    return p


def follows(p: DataPlane, hw: int = 2) -> DataPlane:
    p.publish(p.registration("a", leader=2, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
    feed(p, b"x", b"y", hw=hw)
    return p


def feed(p: DataPlane, *values: bytes, hw: int) -> None:
    """What the leader's answer brings, in batches of epoch 1."""
    partition = p.partition("a")
    assert partition.follower is not None
    data = p.batch(*values)
    data[0:8], data[12:16] = partition.leo.to_bytes(8, "big"), (1).to_bytes(4, "big")
    position = partition.follower.position
    partition.answered(
        Position(*position), PartitionData(0, high_watermark=hw, log_start_offset=0, records=bytes(data))
    )


def asked(offset: int = 0, rack: str = "west", wait_ms: int = 0, **fields: Any) -> FetchRequest:
    want = FetchPartition(0, fetch_offset=offset, partition_max_bytes=1 << 20, **fields)
    return FetchRequest(topics=[FetchTopic("a", topic_id("a"), [want])], min_bytes=1, max_wait_ms=wait_ms, rack_id=rack)


def row(response: FetchResponse) -> PartitionData:
    return response.responses[0].partitions[0]


def told(answer: FetchResponse) -> tuple[int, int, int, int]:
    """(error, preferred replica, high watermark, bytes)."""
    found = row(answer)
    return found.error_code, found.preferred_read_replica, found.high_watermark, len(found.records or b"")


def test_a_leader_sends_a_consumer_to_the_replica_in_its_rack_at_once_and_without_records() -> None:
    async def main() -> None:
        p = leads(rack_aware())
        assert told(await p.ask(asked(wait_ms=500), 11)) == (0, 2, 2, 0)
        assert told(await p.ask(asked(2, wait_ms=500), 18)) == (0, 2, 2, 0)
        assert p.clock.now_ms() == 0

    run(main)


@pytest.mark.parametrize(
    ("version", "rack", "offset"), [(10, "west", 0), (11, "", 0), (11, "east", 0), (11, "north", 0)]
)
def test_a_leader_answers_itself(version: int, rack: str, offset: int) -> None:
    async def main() -> None:
        p = leads(rack_aware())
        code, preferred, _, size = told(await p.ask(asked(offset, rack), version))
        assert (code, preferred) == (0, -1)
        assert size > 0

    run(main)


def test_without_a_selector_racks_do_not_matter() -> None:
    async def main() -> None:
        assert told(await leads(rack_aware(None)).ask(asked(), 11))[1] == -1

    run(main)


def test_a_replica_that_lacks_the_offset_is_not_told() -> None:
    async def main() -> None:
        p = leads(rack_aware())
        p.partition("a").append(p.batch(b"z"), all_replicas=False, origin=Origin.COORDINATOR)
        assert told(await p.ask(asked(3), 11))[1] == -1
        assert told(await p.ask(asked(2), 11))[1] == 2

    run(main)


def test_epochs_come_first() -> None:
    async def main() -> None:
        p = leads(rack_aware())
        assert told(await p.ask(asked(current_leader_epoch=0), 11))[0] == ErrorCode.FENCED_LEADER_EPOCH
        assert told(await p.ask(asked(current_leader_epoch=2), 11))[0] == ErrorCode.UNKNOWN_LEADER_EPOCH
        q = follows(rack_aware())
        assert told(await q.ask(asked(current_leader_epoch=0), 11))[0] == ErrorCode.FENCED_LEADER_EPOCH
        assert told(await q.ask(asked(current_leader_epoch=2), 11))[0] == ErrorCode.UNKNOWN_LEADER_EPOCH
        assert told(await q.ask(asked(current_leader_epoch=1), 11))[0] == 0

    run(main)


@pytest.mark.parametrize("rack", ["", "east", "west"])
def test_a_follower_gives_a_consumer_what_it_knows_to_be_committed(rack: str) -> None:
    async def main() -> None:
        p = follows(rack_aware())
        code, preferred, hw, size = told(await p.ask(asked(rack=rack), 11))
        assert (code, preferred, hw) == (0, -1, 2)
        feed(p, b"not yet committed", hw=2)
        assert told(await p.ask(asked(rack=rack), 11)) == (0, -1, 2, size)

    run(main)


def test_a_consumer_waits_at_a_follower_for_the_high_watermark() -> None:
    """It comes from the leader, which knows a later one: what it asks for is here, and not known to be committed."""

    async def main() -> None:
        p = follows(rack_aware(), hw=0)
        answer = p.start(asked(0, wait_ms=500), 11)
        assert isinstance(answer, asyncio.Task)
        await asyncio.sleep(0.1)
        feed(p, b"z", hw=2)
        code, _, hw, size = told(await answer)
        assert (code, hw, size > 0) == (0, 2, True)
        assert p.clock.now_ms() == 100

    run(main)


def test_a_follower_does_not_know_what_lies_beyond_its_end() -> None:
    async def main() -> None:
        p = follows(rack_aware())
        assert told(await p.ask(asked(3), 11))[0] == ErrorCode.OFFSET_OUT_OF_RANGE
        assert told(await p.ask(asked(2), 11)) == (0, -1, 2, 0)

    run(main)


def test_consumers_from_before_racks_and_followers_read_from_the_leader_only() -> None:
    async def main() -> None:
        p = follows(rack_aware())
        assert told(await p.ask(asked(), 10))[0] == ErrorCode.NOT_LEADER_OR_FOLLOWER
        request = asked()
        request.replica_id = 3
        assert told(await p.ask(request, 11))[0] == ErrorCode.NOT_LEADER_OR_FOLLOWER

    run(main)


def test_a_replica_without_a_leader_serves_nobody() -> None:
    async def main() -> None:
        p = follows(rack_aware())
        p.publish(p.registration("a", leader=-1, epoch=2, replicas=(1, 2), isr=(), partition_epoch=2))
        assert told(await p.ask(asked(), 11))[0] == ErrorCode.NOT_LEADER_OR_FOLLOWER

    run(main)


@pytest.mark.parametrize(
    ("version", "known", "code"),
    [
        (16, {"current_leader_epoch": 0}, ErrorCode.FENCED_LEADER_EPOCH),
        (10, {}, ErrorCode.NOT_LEADER_OR_FOLLOWER),
    ],
)
def test_losing_the_leadership_ends_a_poll_and_names_the_next_leader(
    version: int, known: dict[str, Any], code: ErrorCode
) -> None:
    """Who names no epoch may read on from what is a follower now, from version 11 on."""

    async def main() -> None:
        p = plane(a=1)
        answer = p.start(asked(rack="", wait_ms=500, **known), version)
        await asyncio.sleep(0.1)
        p.publish(p.registration("a", 0, leader=2, epoch=5, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        answered = await answer
        assert row(answered).error_code == code
        assert version < 16 or row(answered).current_leader == LeaderIdAndEpoch(2, 5)
        assert p.clock.now_ms() == 100

    run(main)
