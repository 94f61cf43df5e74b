"""Long polls and acks: who wakes whom, and when."""

import asyncio
from collections.abc import Awaitable, Callable

from server.broker.waiters import Acks, Commits, Poll
from tests.sim.loop import simulate


class Source:
    def __init__(self) -> None:
        self.polls: dict[Poll, None] = {}


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        await main()

    simulate(body())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_poll_ends_when_enough_has_come_anywhere() -> None:
    async def main() -> None:
        a, b = Source(), Source()
        poll = Poll([a, b], 10, 500, follows=False)
        for source, size in ((a, 4), (b, 5), (a, 1)):
            assert poll in source.polls
            poll.grew(size)
        assert await poll.wait()
        assert now() == 0
        assert (a.polls, b.polls) == ({}, {})

    run(main)


def test_a_poll_ends_at_its_deadline() -> None:
    async def main() -> None:
        source = Source()
        poll = Poll([source], 10, 500, follows=False)
        poll.grew(9)
        assert not await poll.wait()
        assert now() == 0.5
        assert source.polls == {}

    run(main)


def test_what_comes_before_the_wait_counts() -> None:
    async def main() -> None:
        poll = Poll([Source()], 1, 500, follows=False)
        poll.grew(1)
        await asyncio.sleep(1)
        assert await poll.wait()

    run(main)


def test_a_change_ends_a_poll() -> None:
    async def main() -> None:
        poll = Poll([Source()], 10, 500, follows=True)
        poll.changed()
        assert await poll.wait()

    run(main)


def test_a_cancelled_poll_leaves_nothing_behind() -> None:
    async def main() -> None:
        source = Source()
        task = asyncio.ensure_future(Poll([source], 10, 500, follows=False).wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert source.polls == {}

    run(main)


def test_a_poll_that_nobody_waits_for_is_gone_at_its_deadline() -> None:
    """A connection may be lost between the request and the first step of its task."""

    async def main() -> None:
        source = Source()
        Poll([source], 10, 500, follows=False)
        await asyncio.sleep(1)
        assert source.polls == {}

    run(main)


def test_commits_wake_by_offset_whatever_order_they_came_in() -> None:
    """An idempotent producer's repeated batch waits for an offset below those that already wait."""
    woken: list[int] = []
    commits = Commits()
    for offset in (10, 30, 20, 5):
        commits.wait(offset, lambda offset=offset: woken.append(offset))  # type: ignore[misc]
    commits.committed(4)
    assert woken == []
    commits.committed(20)
    assert woken == [5, 10, 20]
    commits.given_up()
    assert woken == [5, 10, 20, 30]
    assert len(commits) == 0


def test_acks_are_done_when_every_partition_has_told() -> None:
    async def main() -> None:
        a, b = Commits(), Commits()
        acks = Acks([(a, 10), (b, 20), (b, 21)], 500)
        a.committed(10)
        b.committed(20)
        done = asyncio.ensure_future(acks.done())
        await asyncio.sleep(0.1)
        assert not done.done()
        b.committed(21)
        await done
        assert now() < 0.2

    run(main)


def test_acks_that_run_out_of_time_leave_nothing_behind() -> None:
    async def main() -> None:
        a, b = Commits(), Commits()
        acks, other = Acks([(a, 10), (b, 20)], 500), Acks([(b, 15)], 9_000)
        a.committed(10)
        await acks.done()
        assert now() == 0.5
        assert (len(a), len(b)) == (0, 1)
        b.committed(15)
        await other.done()

    run(main)


def test_acks_whose_client_is_gone_leave_nothing_behind() -> None:
    async def main() -> None:
        a, b = Commits(), Commits()
        task = asyncio.ensure_future(Acks([(a, 10), (b, 20)], 500).done())
        a.committed(10)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert (len(a), len(b)) == (0, 0)
        await asyncio.sleep(1)  # past the time that it had

    run(main)


def test_acks_that_come_while_their_client_goes_do_not_keep_others_waiting() -> None:
    """The task is cancelled, and has not had its turn to leave yet. `make sim SEED=20128 WORLD=txn`."""

    async def main() -> None:
        commits = Commits()
        task = asyncio.ensure_future(Acks([(commits, 10)], 500).done())
        other = Acks([(commits, 11)], 500)
        await asyncio.sleep(0)
        task.cancel()
        commits.committed(11)
        await other.done()
        await asyncio.wait([task])
        assert (now() < 0.1, task.cancelled(), len(commits)) == (True, True, 0)

    run(main)


def test_acks_without_time_are_done_at_once() -> None:
    async def main() -> None:
        commits = Commits()
        await Acks([(commits, 1)], -5).done()
        assert (now(), len(commits)) == (0, 0)

    run(main)


def test_a_partition_that_gives_up_tells() -> None:
    async def main() -> None:
        commits = Commits()
        acks = Acks([(commits, 1)], 500)
        commits.given_up()
        await acks.done()
        assert now() == 0

    run(main)
