"""Whatever is asked of a partition that moves, in whatever order: it has the replicas of the start or of a request."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from server.metadata.controller import brokers, elect_leaders, isr, reassignments
from server.metadata.delta import applied
from server.metadata.image import Image, Partition
from server.metadata.records import Record
from server.model.errors import ErrorCode
from server.model.ids import NO_LEADER, NodeId
from server.wire.messages.alter_partition import AlterPartitionRequest, RequestPartitionData, RequestTopicData
from server.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from server.wire.messages.elect_leaders import ElectLeadersRequest
from tests.unit.server.metadata.controller.partitioned import BROKERS, NAME, TOPIC, image, partition

Replicas = tuple[NodeId, ...]
some_brokers = st.permutations(BROKERS).flatmap(lambda order: st.integers(1, 4).map(lambda count: tuple(order[:count])))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("move"), some_brokers),
        st.tuples(st.just("cancel"), st.just(())),
        st.tuples(st.just("sync"), some_brokers),
        st.tuples(st.just("fence"), some_brokers),
        st.tuples(st.just("unfence"), some_brokers),
        st.tuples(st.just("elect"), st.just(())),
    ),
    max_size=25,
)


@dataclass
class Moving:
    """An image, the replicas that the partition had when it last stood still, and those that were asked for since."""

    now: Image
    start: Replicas
    wanted: list[Replicas] = field(default_factory=list)

    @property
    def partition(self) -> Partition:
        return self.now.topics[NAME].partitions[0]

    def take(self, records: tuple[Record, ...]) -> None:
        self.now = applied(self.now, records)
        found = self.partition
        if not reassignments.is_moving(found):
            self.start, self.wanted = found.replicas, []

    def step(self, kind: str, who: Replicas) -> None:
        match kind:
            case "move":
                self.ask(who)
            case "cancel":
                self.ask(None)
            case "sync":
                self.sync(who)
            case "fence":
                self.take(brokers.fence(self.now, {}, who[0]).records)
            case "unfence":
                self.take(brokers.unfence(self.now, {}, who[0]).records)
            case "elect":
                self.take(elect_leaders.elect(self.now, {}, ElectLeadersRequest(0, None)).records)

    def ask(self, replicas: Replicas | None) -> ErrorCode:
        row = ReassignablePartition(0, replicas)
        request = AlterPartitionReassignmentsRequest(topics=[ReassignableTopic(NAME, [row])])
        decision = reassignments.alter(self.now, {}, request)
        if replicas is not None:
            self.wanted.append(replicas)
        self.take(decision.records)
        return ErrorCode(decision.response.responses[0].partitions[0].error_code)

    def sync(self, who: Replicas) -> None:
        """The leader proposes itself and those replicas among `who` that are up."""
        found = self.partition
        if found.leader == NO_LEADER:
            return
        members = [found.leader, *(each for each in who if each in found.replicas and each != found.leader)]
        members = [each for each in members if self.now.is_active(each)]
        row = RequestPartitionData(0, found.leader_epoch, members, partition_epoch=found.partition_epoch)
        epoch = self.now.brokers[found.leader].epoch
        asked = AlterPartitionRequest(found.leader, epoch, [RequestTopicData(TOPIC, [row])])
        self.take(isr.alter(self.now, {}, asked).records)


def assert_well(moving: Moving) -> None:
    found = moving.partition
    replicas, adding, removing = {*found.replicas}, {*found.adding_replicas}, {*found.removing_replicas}
    assert len(replicas) == len(found.replicas) == len(found.directories)
    assert {*found.isr} | {*found.elr} <= replicas
    assert adding | removing <= replicas
    assert not adding & removing
    assert found.leader in found.isr or found.leader == NO_LEADER
    assert replicas - removing, "all replicas would go"


@settings(max_examples=60, deadline=None)
@given(some_brokers, steps)
def test_a_partition_that_moves_is_well_at_every_step(start: Replicas, todo: list[tuple[str, Replicas]]) -> None:
    moving = Moving(image(partition(start)), start)
    for kind, who in todo:
        before = moving.partition
        wanted = [{*each} for each in (moving.start, *moving.wanted)]
        moving.step(kind, who)
        assert_well(moving)
        after = moving.partition
        if after != before:
            assert after.partition_epoch > before.partition_epoch
        if not {*before.replicas} <= {*after.replicas}:
            assert after.leader_epoch > before.leader_epoch, "who is no replica any more has to learn it"
        if kind not in ("move", "cancel") and reassignments.is_moving(before) and not reassignments.is_moving(after):
            assert {*after.replicas} in wanted, "it ends where somebody wanted it"


@settings(max_examples=60, deadline=None)
@given(some_brokers, st.lists(some_brokers, min_size=1, max_size=4), st.booleans())
def test_a_cancelled_reassignment_leaves_the_replicas_of_the_start(
    start: Replicas, asked: list[Replicas], grows: bool
) -> None:
    """Those that were asked for in between leave no trace, whether some of them came into the ISR or not."""
    moving = Moving(image(partition(start)), start)
    for wanted in asked:
        moving.ask(wanted)
        if not reassignments.is_moving(moving.partition):
            return  # it took no time
        if grows:
            moving.sync(moving.partition.adding_replicas[:-1] + start)
    assert moving.ask(None) == ErrorCode.NONE
    found = moving.partition
    assert {*found.replicas} == {*start}
    assert (found.adding_replicas, found.removing_replicas) == ((), ())


@settings(max_examples=60, deadline=None)
@given(some_brokers, st.lists(some_brokers, min_size=1, max_size=4))
def test_a_reassignment_ends_with_what_was_asked_for_last(start: Replicas, asked: list[Replicas]) -> None:
    moving = Moving(image(partition(start)), start)
    for wanted in asked:
        moving.ask(wanted)
    moving.sync(tuple(BROKERS))
    found = moving.partition
    assert found.replicas == asked[-1]
    assert {*found.isr} == {*asked[-1]}
    assert (found.adding_replicas, found.removing_replicas) == ((), ())
