"""Virtual time passes at once, orders are seeded, and a killed process does nothing more."""

import asyncio
from random import Random

import pytest

from tests.sim.loop import Killed, Process, SimLoop, simulate, spawn


def test_a_day_passes_in_no_time() -> None:
    async def main() -> list[str]:
        seen: list[str] = []

        async def every(seconds: float, name: str, times: int) -> None:
            for _ in range(times):
                await asyncio.sleep(seconds)
                seen.append(name)

        await asyncio.gather(every(3600, "hour", 24), every(1800, "half", 48))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        assert await asyncio.get_running_loop().run_in_executor(None, lambda: 42) == 42
        assert asyncio.get_running_loop().time() == 86_460
        return seen

    first, second = simulate(main()), simulate(main())
    assert first == second
    assert len(first) == 72


def test_deadlock_is_an_error_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="deadlock"):
        simulate(main())


async def _race() -> str:
    seen: list[str] = []

    async def one(name: str) -> None:
        await asyncio.sleep(1)
        seen.append(name)

    await asyncio.gather(*map(one, "abcdef"))
    return "".join(seen)


def test_a_seed_is_one_order_and_seeds_differ() -> None:
    orders = [simulate(_race(), Random(seed)) for seed in range(20)]
    assert orders == [simulate(_race(), Random(seed)) for seed in range(20)]
    assert len(set(orders)) > 10


def test_an_unhandled_exception_in_a_callback_fails_the_run() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        simulate(main())


def test_an_exception_nobody_retrieves_fails_the_run() -> None:
    async def broken() -> None:
        raise ValueError("lost")

    async def main() -> None:
        spawn(Process("p"), broken)
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="lost"):
        simulate(main())


def _loop() -> SimLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return loop


def test_a_killed_process_does_nothing_more_not_even_finally() -> None:
    seen: list[str] = []

    async def child() -> None:
        try:
            await asyncio.sleep(1.5)
            seen.append("child")
        finally:
            seen.append("finally")

    async def parent() -> None:
        asyncio.get_running_loop().call_later(1.5, seen.append, "timer")
        asyncio.get_running_loop().create_task(child())
        await asyncio.sleep(0.5)
        seen.append("parent")
        await asyncio.sleep(1.5)
        seen.append("parent again")

    async def main() -> list[str]:
        process, other = Process("p"), Process("q")
        spawn(process, parent)
        spawn(other, child)
        await asyncio.sleep(1)
        _loop().kill(process)
        await asyncio.sleep(10)
        return seen.copy()

    assert simulate(main(), Random(1)) == ["parent", "child", "finally"]


def test_a_process_can_be_killed_by_what_it_calls() -> None:
    """As a disk does that crashes in the middle of a write."""
    seen: list[str] = []

    async def main() -> None:
        process = Process("p")

        async def suicide() -> None:
            await asyncio.sleep(1)
            _loop().kill(process)
            raise Killed

        async def waits(task: "asyncio.Task[None]") -> None:
            await task
            seen.append("woken")

        task = spawn(process, suicide)
        spawn(process, lambda: waits(task))
        await asyncio.sleep(10)

    simulate(main())
    assert seen == []


def test_what_is_still_running_at_the_end_is_cancelled_in_order() -> None:
    seen: list[int] = []

    async def runs(number: int) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append(number)

    async def main() -> None:
        for number in range(5):
            spawn(Process("p"), lambda number=number: runs(number))  # type: ignore[misc]
        await asyncio.sleep(1)

    simulate(main())
    assert seen == list(range(5))


def test_a_slow_disk_does_its_work_later_and_not_at_all_for_the_dead() -> None:
    """What a thread was handed is not done when its process is killed first."""
    done: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        slow, doomed = Process("slow", 10.0), Process("doomed", 10.0)

        async def hand(name: str) -> None:
            await loop.run_in_executor(None, done.append, name)

        spawn(doomed, lambda: hand("doomed"))
        task = spawn(slow, lambda: hand("slow"))
        await asyncio.sleep(0)
        assert done == []
        loop.kill(doomed)
        await task

    simulate(main(), Random(1))
    assert done == ["slow"]
