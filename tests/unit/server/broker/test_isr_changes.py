"""Proposals of ISRs, on their way to the active controller."""

import asyncio

from server.broker.isr_changes import IsrChanges
from server.broker.partition import Partition
from server.model.errors import ErrorCode, Rejected
from server.model.ids import BrokerEpoch
from server.net.peer import Unreachable
from server.wire.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionResponse,
    BrokerState,
    ResponsePartitionData,
    ResponseTopicData,
)
from tests.unit.server.broker.test_partition import ID, THREE, TWO, US, World, registered, run


class Controller:
    """Answers with what the test says, in order: an error code, an exception, or nothing for yes."""

    def __init__(self, *answers: ErrorCode | Exception) -> None:
        self.answers, self.asked = list(answers), list[AlterPartitionRequest]()

    async def ask(self, request: AlterPartitionRequest) -> AlterPartitionResponse:
        self.asked.append(request)
        answer = self.answers.pop(0) if self.answers else ErrorCode.NONE
        if isinstance(answer, Exception):
            raise answer
        row = request.topics[0].partitions[0]
        isr = [each.broker_id for each in row.new_isr_with_epochs]
        done = ResponsePartitionData(0, answer, US, row.leader_epoch, isr, 0, row.partition_epoch + 1)
        return AlterPartitionResponse(topics=[ResponseTopicData(ID, [done])])


def leading(controller: Controller) -> Partition:
    """We lead; TWO is in sync, THREE is not; proposals go to `controller`."""
    world = World()
    changes = IsrChanges(US, lambda: BrokerEpoch(11), controller.ask)
    world.partition._propose = changes.propose
    return world.become(registered(replicas=(1, 2, 3), isr=(1, 2), epoch=4, partition_epoch=7))


def isr(partition: Partition) -> set[int]:
    assert partition.leader is not None
    return set(partition.leader.isr)


def test_a_proposal_names_the_registrations_of_its_members() -> None:
    async def main() -> None:
        controller = Controller()
        p = leading(controller)
        p.fetched(THREE, 0, 0, broker_epoch=13)
        await asyncio.sleep(1)
        (request,) = controller.asked
        row = request.topics[0].partitions[0]
        assert (request.broker_id, request.broker_epoch, row.leader_epoch, row.partition_epoch) == (US, 11, 4, 7)
        assert row.new_isr_with_epochs == [BrokerState(US, 11), BrokerState(TWO, -1), BrokerState(THREE, 13)]
        assert isr(p) == {US, TWO, THREE}

    run(main)


def test_a_proposal_without_an_answer_is_sent_again_as_it_was() -> None:
    async def main() -> None:
        controller = Controller(Unreachable("gone"), Rejected(ErrorCode.NOT_CONTROLLER), ErrorCode.NOT_CONTROLLER)
        p = leading(controller)
        p.fetched(THREE, 0)
        await asyncio.sleep(5)
        assert len(controller.asked) == 4
        assert all(each == controller.asked[0] for each in controller.asked)
        assert isr(p) == {US, TWO, THREE}

    run(main)


def test_a_refusal_that_rests_on_what_was_never_committed_is_not_the_last_word() -> None:
    """The controller had fenced somebody, and lost its leadership before that was committed."""

    async def main() -> None:
        controller = Controller(ErrorCode.INVALID_UPDATE_VERSION, ErrorCode.FENCED_LEADER_EPOCH)
        p = leading(controller)
        p.fetched(THREE, 0)
        await asyncio.sleep(5)
        assert isr(p) == {US, TWO, THREE}

    run(main)


def test_after_a_refusal_the_replica_is_proposed_anew_when_it_fetches() -> None:
    async def main() -> None:
        controller = Controller(ErrorCode.INELIGIBLE_REPLICA)
        p = leading(controller)
        p.fetched(THREE, 0)
        await asyncio.sleep(1)
        assert isr(p) == {US, TWO}
        p.fetched(THREE, 0)
        await asyncio.sleep(1)
        assert isr(p) == {US, TWO, THREE}

    run(main)


def test_a_proposal_that_the_metadata_has_overtaken_is_dropped() -> None:
    async def main() -> None:
        controller = Controller(*[Unreachable("gone")] * 50)
        p = leading(controller)
        p.fetched(THREE, 0)
        await asyncio.sleep(0.01)
        p.become(registered(replicas=(1, 2, 3), isr=(1,), epoch=4, partition_epoch=8), US, 1, 30_000)
        asked = len(controller.asked)
        await asyncio.sleep(30)
        assert len(controller.asked) == asked
        assert isr(p) == {US}

    run(main)
