"""Shards, with a core of one number: decide, append, replay, answer at commit; loading; timers; the parked; the end."""

import asyncio
import errno
from collections.abc import Coroutine, Hashable
from typing import Any

import pytest

from server.broker.shards import Shard, Shards, ShardSettings, State, java_hash
from server.model.coordination import Answer, Cancel, Decision, Entry, Now, Producer, Timer
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NodeId
from server.model.log_settings import LogSettings
from tests.sim.loop import simulate
from tests.unit.server.broker.test_partition import World, registered

TWO = NodeId(2)


class Sum:
    """A core that adds up what stands in its log; pending sums count when their transaction has committed."""

    def __init__(self) -> None:
        self.total, self.offsets, self.pending, self.fired_at = 0, list[int](), dict[int, int](), list[Any]()

    def add(self, number: int, *effects: Any, producer: Producer | None = None) -> Decision[int]:
        entry = Entry(b"number", str(number).encode())
        return Decision((entry,), self.total + number, effects, producer)

    def replay(self, entry: Entry, offset: int, producer_id: int) -> None:
        number = int(entry.value or b"0")
        self.offsets.append(offset)
        if producer_id >= 0:
            self.pending[producer_id] = self.pending.get(producer_id, 0) + number
        else:
            self.total += number

    def ended(self, producer_id: int, committed: bool) -> None:
        self.total += self.pending.pop(producer_id, 0) * committed

    def loaded(self, now: Now) -> Decision[None]:
        return Decision((), None, (Timer("loaded", now.ms + 100),))

    def fired(self, key: Hashable, now: Now) -> Decision[None]:
        self.fired_at.append((key, now.ms))
        return self.add(1000) if key == "add" else Decision((), None)  # type: ignore[return-value]


class Life(World):
    """A partition that this broker leads, and its shard."""

    def __init__(self, *, followers: bool = False, settings: LogSettings | None = None, min_isr: int = 1) -> None:
        super().__init__(settings)
        self.isr = (1, 2) if followers else (1,)
        self.min_isr = min_isr
        self.told: list[Any] = []
        limits = ShardSettings(load_bytes=100, commit_timeout_ms=5000)
        self.shards: Shards[Sum] = Shards(
            "a", Sum, self.clock, limits, lambda: 1, lambda _, effect: self.told.append(effect)
        )
        self.epoch = 0

    async def lead(self, epoch: int = 0) -> Shard[Sum]:
        self.epoch = epoch
        p = self.become(registered(epoch=epoch, isr=self.isr, replicas=self.isr, partition_epoch=epoch), self.min_isr)
        self.shards.assigned(p)
        shard = next(iter(self.shards))
        assert shard.loading is not None
        await shard.loading
        return shard

    def follow(self, epoch: int) -> None:
        self.become(registered(leader=2, epoch=epoch, isr=(1, 2), replicas=(1, 2), partition_epoch=epoch))
        self.shards.assigned(self.partition)

    def follower_has(self, offset: int) -> None:
        self.partition.fetched(TWO, offset)


def play(main: Coroutine[Any, Any, None]) -> None:
    simulate(main)


async def refused(waiting: Coroutine[Any, Any, Any]) -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        await waiting
    return caught.value.code


def test_what_is_decided_is_in_the_log_and_in_the_core() -> None:
    async def main() -> None:
        shard = await Life().lead()
        assert await shard.decide(lambda core, _: core.add(5)) == 5
        assert await shard.decide(lambda core, _: core.add(7)) == 12
        assert (shard.core.total, shard.core.offsets, shard.partition.leo) == (12, [0, 1], 2)

    play(main())


def test_an_answer_waits_until_it_is_committed_and_so_does_one_that_only_read() -> None:
    async def main() -> None:
        life = Life(followers=True)
        shard = await life.lead()
        life.follower_has(0)
        adding = asyncio.create_task(shard.decide(lambda core, _: core.add(5)))
        reading = asyncio.create_task(shard.decide(lambda core, _: Decision((), core.total)))
        refusing = asyncio.create_task(refused(shard.decide(_refuse)))
        await asyncio.sleep(1)
        assert shard.core.total == 5
        assert [task.done() for task in (adding, reading, refusing)] == [False] * 3
        life.follower_has(1)
        assert (await adding, await reading, await refusing) == (5, 5, ErrorCode.UNKNOWN_MEMBER_ID)

    play(main())


def _wait(core: Sum, now: Now, token: int) -> Decision[str | None]:
    return Decision((), None)


def _refuse(core: Sum, now: Now) -> Decision[int]:
    raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID)


def test_replicas_that_take_too_long_make_the_coordinator_unavailable() -> None:
    async def main() -> None:
        life = Life(followers=True)
        shard = await life.lead()
        began = life.clock.now_ms()
        assert await refused(shard.decide(lambda core, _: core.add(5))) is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert 5000 <= life.clock.now_ms() - began <= 5100
        life.shards.close()

    play(main())


def test_too_few_replicas_refuse_an_append_and_leave_the_core_as_it_was() -> None:
    async def main() -> None:
        life = Life(followers=True, min_isr=2)
        shard = await life.lead()
        life.become(registered(isr=(1,), replicas=(1, 2), partition_epoch=1), 2)
        parked = asyncio.create_task(refused(shard.park(_wait)))
        await asyncio.sleep(0)
        answer = Answer(1, "yes")
        assert await refused(shard.decide(lambda core, _: core.add(5, answer))) is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert await parked is ErrorCode.COORDINATOR_NOT_AVAILABLE, "an answer that hung on it is that refusal"
        assert shard.core.total == 0
        life.shards.close()

    play(main())


def test_a_record_that_is_too_large_is_an_error_of_the_server() -> None:
    async def main() -> None:
        shard = await Life(settings=LogSettings(max_message_bytes=200)).lead()
        large = Decision((Entry(b"number", b"0" * 300),), 0)
        assert await refused(shard.decide(lambda core, _: large)) is ErrorCode.UNKNOWN_SERVER_ERROR

    play(main())


def test_a_parked_request_is_answered_by_a_later_decision_at_its_commit() -> None:
    async def main() -> None:
        life = Life(followers=True)
        shard = await life.lead()
        life.follower_has(0)
        parked = asyncio.create_task(shard.park(_wait))
        await asyncio.sleep(0)
        adding = asyncio.create_task(
            shard.decide(lambda core, _: core.add(5, Answer(1, "yes"), "an effect of its own"))
        )
        await asyncio.sleep(1)
        assert (parked.done(), life.told) == (False, [])
        life.follower_has(1)
        assert (await adding, await parked, life.told) == (5, "yes", ["an effect of its own"])
        assert await shard.park(lambda core, _, token: Decision((), f"at once, {token}")) == "at once, 2"

    play(main())


def test_who_waits_is_told_when_another_broker_leads() -> None:
    async def main() -> None:
        life = Life(followers=True)
        shard = await life.lead()
        adding = asyncio.create_task(refused(shard.decide(lambda core, _: core.add(5))))
        parked = asyncio.create_task(refused(shard.park(_wait)))
        await asyncio.sleep(0)
        life.follow(epoch=1)
        assert (await adding, await parked) == (ErrorCode.NOT_COORDINATOR, ErrorCode.NOT_COORDINATOR)
        assert await refused(shard.decide(lambda core, _: core.add(5))) is ErrorCode.NOT_COORDINATOR
        assert list(life.shards) == []
        with pytest.raises(Rejected, match="NOT_COORDINATOR"):
            life.shards.of("x")

    play(main())


def test_a_new_leader_epoch_loads_what_the_log_holds() -> None:
    async def main() -> None:
        life = Life()
        shard = await life.lead()
        for number in range(20):
            await shard.decide(lambda core, _, number=number: core.add(number))  # type: ignore[misc]
        await shard.decide(lambda core, _: core.add(100, producer=Producer(7, 0)))
        await shard.decide(lambda core, _: core.add(1000, producer=Producer(8, 0)))
        await shard.end_transaction(Producer(7, 0), 3, commit=True)
        await shard.end_transaction(Producer(8, 0), 3, commit=False)
        await shard.decide(lambda core, _: core.add(10_000, producer=Producer(9, 0)))
        assert (shard.core.total, shard.core.pending) == (290, {9: 10_000})
        again = await life.lead(epoch=1)
        assert again is not shard
        assert (again.epoch, again.core.total, again.core.pending) == (1, 290, {9: 10_000})
        assert again.core.offsets == shard.core.offsets
        life.become(registered(epoch=1, partition_epoch=2))
        life.shards.assigned(life.partition)
        assert next(iter(life.shards)) is again, "the same leader epoch is the same coordinator"

    play(main())


def test_requests_are_refused_while_it_loads() -> None:
    async def main() -> None:
        life = Life()
        life.shards.assigned(life.become())
        with pytest.raises(Rejected, match="COORDINATOR_LOAD_IN_PROGRESS"):
            life.shards.of("x")
        await asyncio.sleep(0.01)
        assert life.shards.of("x").state is State.ACTIVE

    play(main())


def test_answers_after_a_failover_wait_for_what_the_old_leader_left_uncommitted() -> None:
    async def main() -> None:
        life = Life(followers=True)
        shard = await life.lead()
        lost = asyncio.create_task(refused(shard.decide(lambda core, _: core.add(5))))
        await asyncio.sleep(0)
        again = await life.lead(epoch=1)
        assert await lost is ErrorCode.NOT_COORDINATOR
        reading = asyncio.create_task(again.decide(lambda core, _: Decision((), core.total)))
        await asyncio.sleep(1)
        assert not reading.done()
        life.follower_has(1)
        assert await reading == 5

    play(main())


def test_timers_fire_in_their_order_unless_put_off_or_cancelled() -> None:
    async def main() -> None:
        life = Life()
        shard = await life.lead()
        now = life.clock.now_ms()
        timers = (Timer("a", now + 300), Timer("b", now + 200), Timer("c", now + 250), Timer("d", now + 900))
        await shard.decide(lambda core, _: Decision((), None, timers))
        await shard.decide(
            lambda core, _: Decision((), None, (Timer("b", now + 400), Cancel("c"), Timer("d", now + 350)))
        )
        await asyncio.sleep(2)
        keys = [key for key, _ in shard.core.fired_at]
        assert keys == ["loaded", "a", "d", "b"]
        assert [at - now for _, at in shard.core.fired_at][1:] == [300, 350, 400]

    play(main())


def test_a_timer_whose_records_are_refused_fires_again() -> None:
    async def main() -> None:
        life = Life(followers=True, min_isr=2)
        shard = await life.lead()
        life.become(registered(isr=(1,), replicas=(1, 2), partition_epoch=1), 2)
        await shard.decide(lambda core, now: Decision((), None, (Timer("add", now.ms + 50),)))
        await asyncio.sleep(1.2)
        assert (len(shard.core.fired_at), shard.core.total) == (4, 0)
        life.become(registered(isr=(1, 2), replicas=(1, 2), partition_epoch=2), 2)
        await asyncio.sleep(1)
        assert shard.core.total == 1000
        life.shards.close()

    play(main())


def test_a_log_that_fails_ends_its_shard() -> None:
    async def main() -> None:
        life = Life()
        shard = await life.lead()
        parked = asyncio.create_task(refused(shard.park(_wait)))
        await asyncio.sleep(0)

        def fail(operation: str, path: str) -> None:
            if operation == "write":
                raise OSError(errno.EIO, "I/O error")

        life.disk.before = fail
        assert await refused(shard.decide(lambda core, _: core.add(5))) is ErrorCode.NOT_COORDINATOR
        assert await parked is ErrorCode.NOT_COORDINATOR
        assert shard.state is State.CLOSED

    play(main())


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0), ("test", 3556498), ("a-group", 1575452179), ("grüße", 98768023), ("\U0001d524", 1772431)],
)
def test_a_key_has_javas_hash_without_its_sign(text: str, number: int) -> None:
    assert java_hash(text) == number
