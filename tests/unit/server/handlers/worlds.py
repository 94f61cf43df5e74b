"""What the tests of data-plane handlers share: a broker in virtual time on a disk in memory."""

from collections.abc import Awaitable, Callable
from random import Random

from tests.sim.disk import MemoryDisk
from tests.sim.doors import SimClock, SimRng
from tests.sim.loop import simulate
from tests.support.data_plane import DataPlane


def plane(**options: object) -> DataPlane:
    """A DataPlane; its topics and options are the arguments. Call it in the loop that it lives in."""
    clock = SimClock()
    return DataPlane(MemoryDisk(clock.timestamp_ms), clock, SimRng(Random(0)), **options)  # type: ignore[arg-type]


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test's body in virtual time."""

    async def body() -> None:
        await main()

    simulate(body())


def memory(plane: DataPlane) -> MemoryDisk:
    assert isinstance(plane.disk, MemoryDisk)
    return plane.disk
