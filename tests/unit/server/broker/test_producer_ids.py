"""Producer ids come from blocks; a block is asked for once, however many wait for it."""

import asyncio

import pytest

from server.broker.producer_ids import ProducerIds
from server.model.errors import ErrorCode, Rejected
from tests.sim.loop import simulate


class Controller:
    def __init__(self, size: int = 3) -> None:
        self.size, self.asked, self.fails = size, 0, False

    async def allocate(self) -> tuple[int, int]:
        self.asked += 1
        await asyncio.sleep(1)
        if self.fails:
            raise Rejected(ErrorCode.NOT_CONTROLLER)
        return 1000 * self.asked, self.size


def test_ids_run_through_a_block_and_then_through_the_next() -> None:
    async def main() -> None:
        controller = Controller()
        ids = ProducerIds(controller.allocate)
        assert [await ids.next() for _ in range(4)] == [1000, 1001, 1002, 2000]
        assert controller.asked == 2

    simulate(main())


def test_those_who_come_while_a_block_is_asked_for_share_it() -> None:
    async def main() -> None:
        controller = Controller(5)
        ids = ProducerIds(controller.allocate)
        assert sorted(await asyncio.gather(*(ids.next() for _ in range(5)))) == [1000, 1001, 1002, 1003, 1004]
        assert controller.asked == 1

    simulate(main())


def test_a_controller_that_cannot_be_asked_is_asked_again() -> None:
    async def main() -> None:
        controller = Controller()
        ids = ProducerIds(controller.allocate)
        controller.fails = True
        with pytest.raises(Rejected):
            await ids.next()
        controller.fails = False
        assert await ids.next() == 2000

    simulate(main())
