"""One partition: its role, its appends in two steps, those who wait for it."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import pytest

from server.broker.partition import Partition
from server.broker.waiters import Acks, Poll
from server.broker.writes import Writes
from server.log.log import Log, Origin, StorageFailed
from server.metadata.image import Partition as Registration
from server.model.errors import ErrorCode, Rejected
from server.model.ids import LeaderEpoch, NodeId
from server.model.log_settings import LogSettings
from server.records.batch import Record
from server.records.build import build
from server.replication.leader import ProposeIsr
from tests.sim.disk import MemoryDisk
from tests.sim.doors import SimClock
from tests.sim.loop import simulate

US, TWO, THREE = map(NodeId, (1, 2, 3))
ID = UUID(int=500)


def registered(
    leader: int = 1, epoch: int = 0, isr: Sequence[int] = (1,), replicas: Sequence[int] = (1,), partition_epoch: int = 0
) -> Registration:
    return Registration(
        tuple(map(NodeId, replicas)), tuple(map(NodeId, isr)), NodeId(leader), LeaderEpoch(epoch), partition_epoch
    )


class World:
    def __init__(self, settings: LogSettings | None = None, hw: int = 0) -> None:
        self.disk, self.clock, self.writes = MemoryDisk(), SimClock(), Writes()
        self.proposals: list[ProposeIsr] = []
        self.failures: list[StorageFailed] = []
        self.settings = settings or LogSettings()
        self.partition = self.open(hw)

    def open(self, hw: int = 0) -> Partition:
        log = Log.open(
            self.disk,
            "/data/a-0",
            self.settings,
            recovery_point=0,
            log_start_offset=0,
            clean_shutdown=False,
            now_ms=0,
            timestamp_ms=self.clock.timestamp_ms(),
            topic_id=ID,
        )
        return Partition(
            "a",
            ID,
            0,
            log,
            self.clock,
            self.writes,
            hw=hw,
            propose=lambda partition, wanted: self.proposals.append(wanted),
            failed=lambda partition, error: self.failures.append(error),
        )

    def become(self, registration: Registration | None = None, min_isr: int = 1) -> Partition:
        self.partition.become(registration or registered(), US, min_isr, max_lag_ms=30_000)
        return self.partition

    def batch(self, n: int = 1, value: bytes = b"v") -> bytearray:
        now = self.clock.timestamp_ms()
        return bytearray(build([Record(i, now, None, value) for i in range(n)]))

    def stage(self, n: int = 1, *, all_replicas: bool = False, value: bytes = b"v") -> int:
        data = self.batch(n, value)
        return self.partition.stage(data, all_replicas=all_replicas, origin=Origin.CLIENT).base_offset

    def append(self, n: int = 1) -> int:
        base = self.stage(n)
        self.writes.flush()
        return base


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        await main()

    simulate(body())


def code(act: Callable[[], object]) -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        act()
    return caught.value.code


def test_who_has_no_role_yet_does_not_lead() -> None:
    async def main() -> None:
        world = World()
        assert code(world.stage) == ErrorCode.NOT_LEADER_OR_FOLLOWER

    run(main)


def test_what_is_staged_is_in_the_log_and_committed_when_it_is_written() -> None:
    async def main() -> None:
        world = World()
        p = world.become()
        assert [world.stage(2), world.stage(3)] == [0, 2]
        assert (p.leo, p.hw) == (0, 0)
        assert p.read(0, 1 << 20, p.leo, minimum_one=True).data == b""
        world.writes.flush()
        assert (p.leo, p.hw, p.lso) == (5, 5, 5)
        assert p.read(0, 1 << 20, p.hw, minimum_one=True).next_offset == 5

    run(main)


def test_a_partition_is_written_once_for_all_that_is_staged() -> None:
    async def main() -> None:
        world = World()
        world.become()
        writes: list[str] = []
        world.disk.before = lambda operation, path: writes.append(operation)
        for _ in range(5):
            world.stage()
        world.writes.flush()
        world.writes.flush()
        assert writes.count("write") == 1

    run(main)


def test_a_replica_that_follows_serves_nobody() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(leader=2, replicas=(1, 2), isr=(1, 2)))
        assert code(world.stage) == ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert code(p.leading) == ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert (p.leader_id, p.leader_epoch) == (TWO, 0)

    run(main)


def test_epochs_of_clients_are_compared_with_ours() -> None:
    """KIP-320."""

    async def main() -> None:
        p = World().become(registered(epoch=4))
        assert code(lambda: p.leading(3)) == ErrorCode.FENCED_LEADER_EPOCH
        assert code(lambda: p.leading(5)) == ErrorCode.UNKNOWN_LEADER_EPOCH
        assert p.leading(4) is p.leading() is p.leader

    run(main)


def test_a_leader_notes_where_its_epoch_begins() -> None:
    """KIP-101."""

    async def main() -> None:
        world = World()
        p = world.become(registered(epoch=0))
        world.append(3)
        world.become(registered(epoch=2, partition_epoch=1))
        world.append(2)
        assert p.log.epochs.entries == [(0, 0), (2, 3)]
        world.become(registered(epoch=4, partition_epoch=2))
        assert p.log.epochs.end_offset_for(4) == (4, 5), "before it has written anything"

    run(main)


def test_old_metadata_is_ignored() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(epoch=4, partition_epoch=9))
        world.become(registered(leader=2, epoch=3, partition_epoch=10))
        world.become(registered(leader=2, epoch=4, partition_epoch=8))
        assert (p.leader_id, p.leader_epoch, p.partition_epoch) == (US, 4, 9)

    run(main)


def test_the_hw_begins_where_the_checkpoint_says_and_within_the_log() -> None:
    async def main() -> None:
        world = World()
        world.become()
        world.append(5)
        replicas = registered(replicas=(1, 2), isr=(1, 2))
        for checkpoint, hw in ((0, 0), (3, 3), (99, 5)):
            world.partition = world.open(checkpoint)
            assert world.partition.hw == hw
            assert world.become(replicas).hw == hw

    run(main)


def test_alone_a_leader_has_committed_all_that_its_log_holds() -> None:
    async def main() -> None:
        world = World()
        world.become()
        world.append(5)
        world.partition = world.open()
        assert world.become().hw == 5

    run(main)


def test_the_hw_stays_when_the_leader_steps_down_and_up_again() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1, 2)))
        world.append(5)
        p.fetched(TWO, 3)
        for registration in (
            registered(leader=2, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1),
            registered(epoch=2, replicas=(1, 2), isr=(1, 2), partition_epoch=2),
        ):
            world.become(registration)
            assert p.hw == 3

    run(main)


def test_too_few_replicas_refuse_before_anything_is_staged() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1,)), min_isr=2)
        assert code(lambda: world.stage(all_replicas=True)) == ErrorCode.NOT_ENOUGH_REPLICAS
        assert p.log.leo == 0
        assert world.append() == 0, "acks 1 does not ask for replicas"

    run(main)


def test_acks_wait_for_followers() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1, 2)))
        world.append(4)
        acks = asyncio.ensure_future(Acks([(p.commits, 4)], 1_000).done())
        p.fetched(TWO, 3)
        await asyncio.sleep(0.1)
        assert not acks.done()
        p.fetched(TWO, 4)
        await asyncio.sleep(0)
        assert acks.done()

    run(main)


def test_losing_the_leadership_wakes_everybody() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1, 2)))
        world.append(4)
        acks = asyncio.ensure_future(Acks([(p.commits, 4)], 1_000).done())
        poll = asyncio.ensure_future(Poll([p], 1, 1_000, follows=False).wait())
        world.become(registered(leader=2, epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        await acks
        assert await poll
        assert world.clock.now_ms() == 0

    run(main)


def test_a_consumer_waits_for_what_is_committed_a_follower_for_what_is_written() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1, 2)))
        consumer = asyncio.ensure_future(Poll([p], 1, 9_000, follows=False).wait())
        follower = asyncio.ensure_future(Poll([p], 1, 9_000, follows=True).wait())
        world.append()
        assert await follower
        assert not consumer.done()
        p.fetched(TWO, 1)
        assert await consumer
        assert world.clock.now_ms() == 0

    run(main)


def test_a_poll_counts_bytes() -> None:
    async def main() -> None:
        world = World()
        p = world.become()
        size = len(world.batch())
        poll = asyncio.ensure_future(Poll([p], 2 * size, 9_000, follows=False).wait())
        world.append()
        await asyncio.sleep(0.1)
        assert not poll.done()
        world.append()
        assert await poll

    run(main)


def test_a_failed_write_fails_the_log_and_wakes_everybody() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1, 2)))
        poll = asyncio.ensure_future(Poll([p], 1, 9_000, follows=False).wait())
        world.disk.fail(errno.EIO, "write")
        world.stage()
        world.writes.flush()
        assert (len(world.failures), p.log.failed, p.leo) == (1, True, 0)
        assert await poll
        assert code(world.stage) == ErrorCode.KAFKA_STORAGE_ERROR
        assert code(p.leading) == ErrorCode.KAFKA_STORAGE_ERROR

    run(main)


def test_one_failed_log_does_not_keep_others_from_being_written() -> None:
    async def main() -> None:
        bad, good = World(), World()
        good.writes = bad.writes
        good.partition = good.open()
        bad.become()
        p = good.become()
        bad.disk.fail(errno.EIO, "write")
        bad.stage()
        good.stage()
        bad.writes.flush()
        assert (bad.partition.log.failed, p.leo) == (True, 1)

    run(main)


def test_a_coordinators_append_is_written_at_once_and_tells_of_failure() -> None:
    async def main() -> None:
        world = World()
        p = world.become()
        p.append(world.batch(), all_replicas=True, origin=Origin.CLIENT)
        assert p.leo == 1
        world.disk.fail(errno.EIO, "write")
        act = lambda: p.append(world.batch(), all_replicas=True, origin=Origin.CLIENT)  # noqa: E731
        assert code(act) == ErrorCode.KAFKA_STORAGE_ERROR

    run(main)


def test_proposals_go_to_the_controller_and_its_decision_comes_as_metadata() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1,)))
        world.append(2)
        p.fetched(TWO, 2)
        assert world.proposals == [ProposeIsr(frozenset({US, TWO}), 0)]
        world.become(registered(replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        world.append()
        assert p.hw == 2
        await asyncio.sleep(31)
        p.tick(world.clock.now_ms())
        assert world.proposals[1:] == [ProposeIsr(frozenset({US}), 1)]

    run(main)


def test_lowering_min_insync_replicas_takes_effect_without_an_election() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1,)), min_isr=2)
        world.append()
        assert p.hw == 0
        world.become(registered(replicas=(1, 2), isr=(1,)), min_isr=1)
        assert p.hw == 1

    run(main)


def test_records_are_deleted_up_to_the_hw_and_no_further() -> None:
    async def main() -> None:
        world = World()
        p = world.become(registered(replicas=(1, 2), isr=(1, 2)))
        for _ in range(5):
            world.append()
        p.fetched(TWO, 3)
        for offset in (4, -2):
            assert code(lambda offset=offset: p.delete_records(offset)) == ErrorCode.OFFSET_OUT_OF_RANGE  # type: ignore[misc]
        assert [p.delete_records(2), p.delete_records(1), p.delete_records(-1)] == [2, 1, 3]
        assert code(lambda: p.read(2, 100, 3, minimum_one=True)) == ErrorCode.OFFSET_OUT_OF_RANGE

    run(main)


def test_records_of_a_compacted_topic_are_not_deleted() -> None:
    async def main() -> None:
        p = World(LogSettings(cleanup_policy=frozenset({"compact"}))).become()
        assert code(lambda: p.delete_records(-1)) == ErrorCode.POLICY_VIOLATION

    run(main)
