"""Source: KIP-455, KIP-860, KIP-858; the words and the rule of completion are those of Apache Kafka 4.3.1."""

from collections.abc import Sequence
from typing import Any

from server.metadata import records as r
from server.metadata.controller import brokers, isr, reassignments
from server.metadata.delta import applied
from server.metadata.image import RECOVERED, Image
from server.model.errors import ErrorCode
from server.model.ids import NO_LEADER, NodeId
from server.wire.messages.alter_partition import AlterPartitionRequest, RequestPartitionData, RequestTopicData
from server.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopic,
)
from server.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)
from tests.unit.server.metadata.controller.partitioned import (
    FIVE,
    FOUR,
    NAME,
    ONE,
    THREE,
    TOPIC,
    TWO,
    ZERO,
    after,
    changed,
    directory,
    image,
    partition,
)

UNKNOWN = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
BAD = ErrorCode.INVALID_REPLICA_ASSIGNMENT
DONE = (ErrorCode.NONE, None)


def move(
    before: Image, replicas: Sequence[int] | None, *, topic: str = NAME, index: int = 0, factor: bool = True
) -> tuple[list[r.Record], tuple[int, str | None]]:
    request = AlterPartitionReassignmentsRequest(
        allow_replication_factor_change=factor,
        topics=[ReassignableTopic(topic, [ReassignablePartition(index, replicas)])],
    )
    decision = reassignments.alter(before, {}, request)
    assert decision.response.allow_replication_factor_change is factor
    (answer,) = decision.response.responses[0].partitions
    assert (decision.response.responses[0].name, answer.partition_index) == (topic, index)
    return list(decision.records), (answer.error_code, answer.error_message)


def moved(before: Image, *replicas: int) -> Image:
    records, answer = move(before, replicas)
    assert answer == DONE
    return applied(before, records)


def cancelled(before: Image) -> Image:
    records, answer = move(before, None)
    assert answer == DONE
    return applied(before, records)


def synced(before: Image, *members: NodeId) -> list[r.Record]:
    """The leader proposes an ISR."""
    now = before.topics[NAME].partitions[0]
    row = RequestPartitionData(0, now.leader_epoch, members, partition_epoch=now.partition_epoch)
    epoch = before.brokers[now.leader].epoch
    return list(
        isr.alter(before, {}, AlterPartitionRequest(now.leader, epoch, [RequestTopicData(TOPIC, [row])])).records
    )


def dirs(*replicas: NodeId) -> tuple[Any, ...]:
    return tuple(map(directory, replicas))


# -- the way


def test_a_reassignment_begins_by_adding() -> None:
    before = image(partition((ZERO, ONE, TWO)))
    assert move(before, [TWO, THREE, FOUR]) == (
        [
            changed(
                replicas=(TWO, THREE, FOUR, ZERO, ONE),
                adding_replicas=(THREE, FOUR),
                removing_replicas=(ZERO, ONE),
                directories=dirs(TWO, THREE, FOUR, ZERO, ONE),
            )
        ],
        DONE,
    )


def test_it_ends_when_all_that_come_are_in_sync_and_the_leader_hands_over() -> None:
    before = moved(image(partition((ZERO, ONE, TWO))), TWO, THREE, FOUR)
    assert synced(before, ZERO, ONE, TWO, THREE) == [changed(isr=(ZERO, ONE, TWO, THREE))]
    assert synced(before, ZERO, TWO, THREE, FOUR) == [
        changed(
            isr=(TWO, THREE, FOUR),
            leader=TWO,
            replicas=(TWO, THREE, FOUR),
            adding_replicas=(),
            removing_replicas=(),
            directories=dirs(TWO, THREE, FOUR),
        )
    ]


def test_a_leader_that_stays_gets_another_epoch_so_that_the_others_learn_it() -> None:
    before = moved(image(partition((ZERO, ONE))), ZERO, TWO)
    (record,) = synced(before, ZERO, TWO)
    assert isinstance(record, r.PartitionChangeRecord)
    assert (record.leader, record.isr, record.replicas) == (ZERO, (ZERO, TWO), (ZERO, TWO))
    assert after(before, [record]).leader_epoch == before.topics[NAME].partitions[0].leader_epoch + 1


def test_beginning_leaves_the_leader_and_its_epoch_alone() -> None:
    before = image(partition((ZERO, ONE)))
    now = moved(before, TWO, THREE).topics[NAME].partitions[0]
    assert (now.leader, now.leader_epoch, now.isr) == (ZERO, 3, (ZERO, ONE))


def test_a_replica_that_stays_need_not_be_in_sync() -> None:
    """As Kafka: only where more go than come is it waited for."""
    before = moved(image(partition((ZERO, ONE, TWO), (ZERO, ONE))), ZERO, TWO, THREE)
    (record,) = synced(before, ZERO, THREE)
    assert after(before, [record]).replicas == (ZERO, TWO, THREE)


def test_a_factor_that_sinks_waits_for_all_that_stay() -> None:
    before = moved(image(partition((ZERO, ONE, TWO), (ZERO, ONE))), ONE, TWO)
    assert before.topics[NAME].partitions[0].removing_replicas == (ZERO,)
    assert synced(before, ZERO, ONE) == []
    (record,) = synced(before, ZERO, ONE, TWO)
    assert after(before, [record]).replicas == (ONE, TWO)


def test_replicas_in_sync_are_let_go_at_once() -> None:
    before = image(partition((ZERO, ONE, TWO)))
    now = moved(before, ONE, TWO).topics[NAME].partitions[0]
    assert (now.replicas, now.isr, now.leader, now.removing_replicas) == ((ONE, TWO), (ONE, TWO), ONE, ())


def test_another_order_is_taken_at_once_and_moves_no_leader() -> None:
    before = image(partition((ZERO, ONE)))
    assert move(before, [ONE, ZERO]) == ([changed(replicas=(ONE, ZERO), directories=dirs(ONE, ZERO))], DONE)


def test_what_is_there_already_changes_nothing() -> None:
    assert move(image(partition((ZERO, ONE))), [ZERO, ONE]) == ([], DONE)
    moving = moved(image(partition((ZERO, ONE))), TWO, THREE)
    assert move(moving, [TWO, THREE]) == ([], DONE)


def test_a_reassignment_away_from_brokers_that_are_gone_ends_without_them() -> None:
    before = moved(image(partition((ZERO, ONE), (ONE,)), down=[ZERO]), ONE, TWO)
    (record,) = synced(before, ONE, TWO)
    assert after(before, [record]).replicas == (ONE, TWO)


def test_a_broker_that_is_down_can_be_asked_for() -> None:
    before = moved(image(partition((ZERO, ONE)), down=[FIVE]), ZERO, FIVE)
    assert before.topics[NAME].partitions[0].adding_replicas == (FIVE,)


def test_the_death_of_one_that_goes_ends_nothing_early() -> None:
    before = moved(image(partition((ZERO, ONE))), TWO, THREE)
    records = brokers.fence(before, {}, ZERO).records
    now = after(before, records)
    assert (now.leader, now.isr, now.adding_replicas, now.removing_replicas) == (ONE, (ONE,), (TWO, THREE), (ZERO, ONE))


def test_min_insync_replicas_above_what_is_left_keeps_nobody_eligible_who_is_no_replica() -> None:
    before = moved(image(partition((ZERO, ONE, TWO)), configs={"min.insync.replicas": "3"}), THREE)
    (record,) = synced(before, ZERO, ONE, TWO, THREE)
    now = after(before, [record])
    assert (now.replicas, now.isr, now.elr) == ((THREE,), (THREE,), ())


# -- the way back


def test_a_cancelled_one_leaves_nothing_behind() -> None:
    before = moved(image(partition((ZERO, ONE, TWO))), TWO, THREE, FOUR)
    before = applied(before, synced(before, ZERO, ONE, TWO, THREE))
    now = cancelled(before).topics[NAME].partitions[0]
    assert (now.replicas, now.isr, now.leader) == ((TWO, ZERO, ONE), (ZERO, ONE, TWO), ZERO)
    assert (now.adding_replicas, now.removing_replicas) == ((), ())
    assert now.directories == dirs(TWO, ZERO, ONE)


def test_a_leader_that_came_with_it_hands_over_when_it_is_cancelled() -> None:
    before = image(
        partition((TWO, THREE, ZERO, ONE), (TWO, ONE), adding_replicas=(TWO, THREE), removing_replicas=(ZERO, ONE))
    )
    now = cancelled(before).topics[NAME].partitions[0]
    assert (now.replicas, now.isr, now.leader) == ((ZERO, ONE), (ONE,), ONE)


def only_added_in_sync(**more: Any) -> Image:
    moving = partition((TWO, THREE, ZERO, ONE), (TWO,), adding_replicas=(TWO, THREE), removing_replicas=(ZERO, ONE))
    return image(moving, **more)


def test_what_alone_is_in_sync_is_not_thrown_away() -> None:
    assert move(only_added_in_sync(), None) == (
        [],
        (
            BAD,
            f"Unable to revert partition assignment for {NAME}:0 because it would require an unclean leader election.",
        ),
    )


def test_unless_unclean_elections_are_allowed() -> None:
    now = cancelled(only_added_in_sync(configs={"unclean.leader.election.enable": "true"})).topics[NAME].partitions[0]
    assert (now.replicas, now.isr, now.leader) == ((ZERO, ONE), (ZERO,), ZERO)
    assert now.leader_recovery_state == RECOVERED


def test_a_partition_without_leader_keeps_who_is_eligible_when_it_is_cancelled() -> None:
    before = image(
        partition(
            (TWO, ZERO, ONE),
            (),
            leader=NO_LEADER,
            adding_replicas=(TWO,),
            removing_replicas=(ZERO,),
            eligible_leader_replicas=(ONE,),
        ),
        down=[ONE],
    )
    now = cancelled(before).topics[NAME].partitions[0]
    assert (now.replicas, now.isr, now.elr, now.leader) == ((ZERO, ONE), (), (ONE,), NO_LEADER)


def test_there_must_be_something_to_cancel() -> None:
    assert move(image(partition((ZERO, ONE))), None) == (
        [],
        (ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in progress."),
    )


def test_a_move_is_no_unclean_election() -> None:
    """Even where those are allowed: what brings one about is the setting, or a command."""
    before = image(
        partition((ZERO, ONE), (), leader=NO_LEADER, eligible_leader_replicas=(ZERO,)),
        down=[ZERO],
        configs={"unclean.leader.election.enable": "true"},
    )
    now = moved(before, ONE, TWO).topics[NAME].partitions[0]
    assert (now.leader, now.isr, now.elr) == (NO_LEADER, (), (ZERO,))


def test_a_last_known_leader_that_is_no_replica_any_more_does_not_come_back() -> None:
    lost = partition((ONE,), (), leader=NO_LEADER, last_known_elr=(ZERO,))
    before = image(lost, down=[ONE])
    records, answer = move(before, [ONE, TWO])
    assert answer == DONE
    assert after(before, records).leader == NO_LEADER


# -- another one over it


def test_another_target_drops_what_came_for_the_first() -> None:
    before = moved(moved(image(partition((ZERO, ONE))), TWO, THREE), THREE, FOUR)
    now = before.topics[NAME].partitions[0]
    assert now.replicas == (THREE, FOUR, ZERO, ONE)
    assert (now.adding_replicas, now.removing_replicas) == ((THREE, FOUR), (ZERO, ONE))
    back = cancelled(before).topics[NAME].partitions[0]
    assert (back.replicas, back.adding_replicas, back.removing_replicas) == ((ZERO, ONE), (), ())


def test_to_ask_for_the_start_is_to_cancel() -> None:
    before = moved(moved(image(partition((ZERO, ONE))), TWO, THREE), ZERO, ONE)
    now = before.topics[NAME].partitions[0]
    assert (now.replicas, now.adding_replicas, now.removing_replicas) == ((ZERO, ONE), (), ())


def test_one_that_was_to_go_may_stay_after_all() -> None:
    before = moved(moved(image(partition((ZERO, ONE))), ZERO, THREE), ZERO, ONE, THREE)
    now = before.topics[NAME].partitions[0]
    assert (now.replicas, now.adding_replicas, now.removing_replicas) == ((ZERO, ONE, THREE), (THREE,), ())


def test_what_alone_is_in_sync_stays_until_others_are() -> None:
    now = moved(only_added_in_sync(), FOUR, FIVE).topics[NAME].partitions[0]
    assert (now.replicas, now.isr, now.leader) == ((FOUR, FIVE, ZERO, ONE, TWO), (TWO,), TWO)
    assert (now.adding_replicas, now.removing_replicas) == ((FOUR, FIVE), (ZERO, ONE, TWO))


# -- what is refused


def test_what_is_not_there_is_named() -> None:
    before = image(partition((ZERO, ONE)))
    assert move(before, [ONE], topic="absent") == ([], (UNKNOWN, "Unable to find a topic named absent."))
    assert move(before, [ONE], index=5) == ([], (UNKNOWN, f"Unable to find partition {NAME}:5."))


def test_replicas_are_registered_brokers_each_once() -> None:
    before = image(partition((ZERO, ONE)))
    said = "The manual partition assignment includes"
    assert move(before, []) == ([], (BAD, f"{said} an empty replica list."))
    assert move(before, [ONE, ONE]) == ([], (BAD, f"{said} the broker 1 more than once."))
    assert move(before, [ONE, 9]) == ([], (BAD, f"{said} broker 9, but no such broker is registered."))


def test_the_replication_factor_changes_only_where_that_is_meant() -> None:
    """KIP-860."""
    factor = ErrorCode.INVALID_REPLICATION_FACTOR
    before = image(partition((ZERO, ONE)))
    assert move(before, [ZERO], factor=False) == ([], (factor, "The replication factor is changed from 2 to 1"))
    assert move(before, [TWO, THREE], factor=False)[1] == DONE
    growing = moved(before, TWO, THREE, FOUR)
    assert move(growing, [ZERO, ONE], factor=False)[1] == (factor, "The replication factor is changed from 3 to 2")
    assert move(growing, [ZERO, ONE, FIVE], factor=False)[1] == DONE


def test_rows_fail_alone_and_a_partition_named_twice_gets_the_last() -> None:
    before = image(partition((ZERO, ONE)), partition((ZERO, ONE)))
    rows = [
        ReassignablePartition(0, [TWO, THREE]),
        ReassignablePartition(7, [TWO]),
        ReassignablePartition(1, [ONE, TWO]),
        ReassignablePartition(0, None),
    ]
    decision = reassignments.alter(
        before, {}, AlterPartitionReassignmentsRequest(topics=[ReassignableTopic(NAME, rows)])
    )
    assert decision.response.responses[0].partitions == [
        ReassignablePartitionResponse(0, *DONE),
        ReassignablePartitionResponse(7, UNKNOWN, f"Unable to find partition {NAME}:7."),
        ReassignablePartitionResponse(1, *DONE),
        ReassignablePartitionResponse(0, *DONE),
    ]
    assert after(before, decision.records, 0).replicas == (ZERO, ONE)
    assert after(before, decision.records, 1).replicas == (ONE, TWO, ZERO)


# -- the list


def listed(now: Image, *named: tuple[str, list[int]], every: bool = False) -> list[OngoingTopicReassignment]:
    topics = None if every else [ListPartitionReassignmentsTopics(*each) for each in named]
    return list(reassignments.under_way(now, ListPartitionReassignmentsRequest(topics=topics)).topics)


def test_the_list_tells_what_is_on_its_way() -> None:
    now = moved(image(partition((ZERO, ONE)), partition((ZERO, ONE))), ONE, TWO)
    told = [OngoingTopicReassignment(NAME, [OngoingPartitionReassignment(0, (ONE, TWO, ZERO), (TWO,), (ZERO,))])]
    assert listed(now, every=True) == told
    assert listed(now, (NAME, [0, 1, 9]), ("absent", [0])) == told
    assert listed(now, (NAME, [1])) == []
    assert listed(cancelled(now), every=True) == []
