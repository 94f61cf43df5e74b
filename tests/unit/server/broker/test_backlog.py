"""Large changes of the metadata are done in turns: what a broker says while they are under way, and when they are."""

import asyncio
from uuid import UUID

import pytest

from server.broker.backlog import PARTITIONS_A_TURN, Backlog
from server.metadata.records import RemoveTopicRecord
from server.model.errors import ErrorCode, Rejected
from tests.sim.doors import SimClock
from tests.support.data_plane import DataPlane, topic_id
from tests.unit.server.handlers.worlds import plane, run

MANY = 2 * PARTITIONS_A_TURN + 1


def opened(p: DataPlane, topic: str) -> int:
    return len(p.broker.partitions.get(topic_id(topic), ()))


def test_a_small_change_is_done_at_once() -> None:
    async def main() -> None:
        p = plane()
        p.create("a", PARTITIONS_A_TURN)
        assert (opened(p, "a"), p.broker.applied_offset) == (PARTITIONS_A_TURN, p.broker.image.offset)

    run(main)


def test_a_large_change_takes_turns_and_what_is_not_open_yet_is_not_led_here_yet() -> None:
    async def main() -> None:
        p = plane()
        before, told = p.broker.image.offset, []
        p.broker.settled = lambda: told.append(p.broker.applied_offset)
        p.create("a", MANY)
        assert (opened(p, "a"), p.broker.applied_offset) == (PARTITIONS_A_TURN, before)
        with pytest.raises(Rejected) as refused:
            p.broker.partition("a", MANY - 1)
        assert refused.value.code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        await asyncio.sleep(0)
        assert (opened(p, "a"), p.broker.applied_offset) == (2 * PARTITIONS_A_TURN, before)
        await p.broker.agrees()
        assert (opened(p, "a"), p.broker.applied_offset) == (MANY, p.broker.image.offset)
        assert told == [p.broker.image.offset]

    run(main)


def test_what_comes_meanwhile_waits_for_its_turn_and_the_latest_counts() -> None:
    """Old logs go before logs of the same name are made, and what is gone before its turn is not made at all."""

    async def main() -> None:
        p = plane()
        p.create("a", MANY)
        p.publish(RemoveTopicRecord(topic_id("a")))
        p.create("b", 1)
        assert opened(p, "b") == 0
        await p.broker.agrees()
        assert (opened(p, "a"), opened(p, "b"), [log.topic for log in p.logs]) == (0, 1, ["b"])

    run(main)


def test_closing_ends_it() -> None:
    async def main() -> None:
        p = plane()
        p.create("a", MANY)
        p.broker.close()
        await asyncio.sleep(0)
        assert opened(p, "a") == PARTITIONS_A_TURN

    run(main)


def test_a_partition_that_fails_does_not_keep_the_others_waiting(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        done: list[int] = []

        def do(_: UUID, index: int, new: bool) -> None:
            if index % 7 == 3:
                raise KeyError(index)
            done.append(index)

        backlog = Backlog(SimClock(), do, finished.set)
        for index in range(MANY):
            backlog.add(UUID(int=1), index, new=True)
        backlog.work()
        await finished.wait()
        assert done == [each for each in range(MANY) if each % 7 != 3]

    finished = asyncio.Event()
    run(main)
    told = [each for each in caplog.messages if "does not do what the metadata says" in each]
    assert len(told) == len(range(3, MANY, 7))
