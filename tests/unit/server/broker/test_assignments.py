"""Telling the controller where replicas are: until it knows, and what was said last counts (KIP-858)."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from server.broker.assignments import Assignments
from server.model.errors import ErrorCode, Rejected
from server.model.ids import BrokerEpoch, DirectoryId, NodeId
from server.wire.messages.assign_replicas_to_dirs import (
    AssignReplicasToDirsRequest,
    AssignReplicasToDirsResponse,
    ResponseDirectoryData,
    ResponsePartitionData,
    ResponseTopicData,
)
from tests.sim.loop import simulate

TOPIC, ONE, TWO = UUID(int=500), DirectoryId(UUID(int=1001)), DirectoryId(UUID(int=1002))
Rows = list[tuple[int, int]]  # directory, partition


class Controller:
    """Answers each request with what `code` says of each row; notes what it was told."""

    def __init__(self, code: Callable[[int, int], ErrorCode | None]) -> None:
        """code: from the number of the request and the partition; None: no answer."""
        self.asked: list[Rows] = []
        self._code = code
        self.told = Assignments(NodeId(1), lambda: BrokerEpoch(7), self._ask)

    async def _ask(self, request: AssignReplicasToDirsRequest) -> AssignReplicasToDirsResponse:
        number = len(self.asked)
        rows = [(each, row) for each in request.directories for topic in each.topics for row in topic.partitions]
        self.asked.append([(each.id.int, row.partition_index) for each, row in rows])
        await asyncio.sleep(0.01)
        answers = []
        for each, row in rows:
            code = self._code(number, row.partition_index)
            if code is None:
                raise Rejected(ErrorCode.STALE_BROKER_EPOCH)
            results = [ResponseTopicData(TOPIC, [ResponsePartitionData(row.partition_index, code)])]
            answers.append(ResponseDirectoryData(each.id, results))
        return AssignReplicasToDirsResponse(directories=answers)


def test_all_that_is_said_at_once_goes_in_one_request() -> None:
    async def main() -> None:
        controller = Controller(lambda number, index: ErrorCode.NONE)
        answers = [controller.told.tell(TOPIC, index, ONE if index < 2 else TWO) for index in range(3)]
        assert await asyncio.gather(*answers) == [True] * 3
        assert controller.asked == [[(1001, 0), (1001, 1), (1002, 2)]]

    simulate(main())


def test_it_is_said_again_until_the_controller_knows_it() -> None:
    async def main() -> None:
        codes = [None, ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.NONE]
        controller = Controller(lambda number, index: codes[number])
        assert await controller.told.tell(TOPIC, 0, ONE)
        assert controller.asked == [[(1001, 0)]] * 3

    simulate(main())


def test_of_a_replica_that_is_no_more_nothing_is_said_again() -> None:
    async def main() -> None:
        controller = Controller(lambda number, index: ErrorCode.NOT_LEADER_OR_FOLLOWER if index else ErrorCode.NONE)
        assert await asyncio.gather(*(controller.told.tell(TOPIC, index, ONE) for index in (0, 1))) == [True, False]
        await asyncio.sleep(10)
        assert len(controller.asked) == 1

    simulate(main())


def test_what_is_said_later_counts() -> None:
    async def main() -> None:
        controller = Controller(lambda number, index: ErrorCode.NONE)
        first = controller.told.tell(TOPIC, 0, ONE)
        await asyncio.sleep(0.001)
        second = controller.told.tell(TOPIC, 0, TWO)
        assert (await first, await second) == (False, True)
        assert controller.asked == [[(1001, 0)], [(1002, 0)]]

    simulate(main())


def test_closing_ends_it() -> None:
    async def main() -> None:
        controller = Controller(lambda number, index: None)
        told = controller.told.tell(TOPIC, 0, ONE)
        await asyncio.sleep(1)
        controller.told.close()
        assert not await told

    simulate(main())
