"""Source: KIP-497, KIP-704, KIP-841, KIP-903, KIP-966."""

from typing import Any
from uuid import UUID

import pytest

from server.metadata import records as r
from server.metadata.controller import isr
from server.metadata.delta import applied
from server.metadata.image import RECOVERED, RECOVERING, Image
from server.model.errors import ErrorCode, Rejected
from server.model.features import ELR_VERSION, LATEST_METADATA_VERSION, METADATA_VERSION
from server.model.ids import BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, TopicId
from server.wire.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionResponse,
    BrokerState,
    RequestPartitionData,
    RequestTopicData,
    ResponsePartitionData,
)

TOPIC = TopicId(UUID(int=501))
A, B, C = NodeId(1), NodeId(2), NodeId(3)
EPOCHS = {A: 11, B: 12, C: 13}


def directory(node: NodeId) -> DirectoryId:
    return DirectoryId(UUID(int=600 + node))


def image(*members: NodeId, **fields: Any) -> Image:
    """Three brokers, and a partition that A leads in epoch 3; partition epoch 7; min.insync.replicas 2."""
    brokers = (
        r.RegisterBrokerRecord(node, broker_epoch=BrokerEpoch(EPOCHS[node]), fenced=False, log_dirs=(directory(node),))
        for node in (A, B, C)
    )
    partition = r.PartitionRecord(
        0,
        TOPIC,
        (A, B, C),
        members or (A, B),
        leader=A,
        leader_epoch=LeaderEpoch(3),
        partition_epoch=7,
        directories=tuple(map(directory, (A, B, C))),
        **fields,
    )
    features = (
        r.FeatureLevelRecord(METADATA_VERSION, LATEST_METADATA_VERSION),
        r.FeatureLevelRecord(ELR_VERSION, 1),
    )
    least = r.ConfigRecord(2, "t", "min.insync.replicas", "2")
    return applied(Image(), (*features, *brokers, r.TopicRecord("t", TOPIC), least, partition))


def row(*members: NodeId, **changes: Any) -> RequestPartitionData:
    states = [BrokerState(member, EPOCHS[member]) for member in members]
    fields: dict[str, Any] = {"leader_epoch": 3, "partition_epoch": 7, "new_isr_with_epochs": states} | changes
    return RequestPartitionData(0, **fields)


def alter(
    before: Image, *rows: RequestPartitionData, broker: NodeId = A, epoch: int | None = None, topic: UUID = TOPIC
) -> tuple[tuple[r.Record, ...], AlterPartitionResponse]:
    request = AlterPartitionRequest(
        broker, EPOCHS[broker] if epoch is None else epoch, [RequestTopicData(topic, list(rows))]
    )
    decision = isr.alter(before, {}, request)
    return decision.records, decision.response


def code(before: Image, asked: RequestPartitionData, **who: Any) -> ErrorCode:
    records, response = alter(before, asked, **who)
    assert records == ()
    return ErrorCode(response.topics[0].partitions[0].error_code)


def changed(**fields: Any) -> r.PartitionChangeRecord:
    return r.PartitionChangeRecord(0, TOPIC, **fields)


def test_an_isr_grows_as_its_leader_says() -> None:
    records, response = alter(image(A, B), row(A, B, C))
    assert records == (changed(isr=(A, B, C)),)
    assert response.topics[0].partitions == [ResponsePartitionData(0, 0, A, 3, (A, B, C), RECOVERED, 8)]


def test_an_isr_shrinks_and_its_leader_stays_in_the_same_epoch() -> None:
    records, response = alter(image(A, B, C), row(A, B))
    assert records == (changed(isr=(A, B)),)
    assert response.topics[0].partitions[0].leader_epoch == 3


def test_who_leaves_below_min_insync_replicas_stays_eligible() -> None:
    """KIP-966."""
    records, _ = alter(image(A, B), row(A))
    assert records == (changed(isr=(A,), eligible_leader_replicas=(B,)),)


def test_the_same_isr_again_is_answered_and_changes_nothing() -> None:
    records, response = alter(image(A, B), row(A, B))
    assert records == ()
    assert response.topics[0].partitions[0].partition_epoch == 7


def test_a_leader_that_was_elected_uncleanly_says_that_it_has_recovered() -> None:
    records, response = alter(image(A, leader_recovery_state=RECOVERING), row(A))
    assert records == (changed(leader_recovery_state=RECOVERED),)
    assert response.topics[0].partitions[0].leader_recovery_state == RECOVERED


def test_a_partition_that_recovers_has_one_replica_in_sync() -> None:
    before = image(A, leader_recovery_state=RECOVERING)
    assert code(before, row(A, B, leader_recovery_state=RECOVERING)) == ErrorCode.INVALID_REQUEST
    assert code(image(A), row(A, leader_recovery_state=RECOVERING)) == ErrorCode.INVALID_REQUEST


def test_a_proposal_that_rests_on_less_than_is_known_is_refused() -> None:
    assert code(image(), row(A, B, C, leader_epoch=2)) == ErrorCode.FENCED_LEADER_EPOCH
    assert code(image(), row(A, B, C, partition_epoch=6)) == ErrorCode.INVALID_UPDATE_VERSION


def test_a_proposal_that_rests_on_more_than_is_known_is_for_another_controller() -> None:
    assert code(image(), row(A, B, C, leader_epoch=4)) == ErrorCode.NOT_CONTROLLER
    assert code(image(), row(A, B, C, partition_epoch=8)) == ErrorCode.NOT_CONTROLLER


def test_only_the_leader_proposes() -> None:
    assert code(image(), row(A, B), broker=B) == ErrorCode.INVALID_REQUEST


def test_an_isr_has_the_leader_and_replicas_only_each_once() -> None:
    assert code(image(), row(B, C)) == ErrorCode.INVALID_REQUEST
    assert code(image(), row(A, A, B)) == ErrorCode.INVALID_REQUEST
    assert code(image(), row(new_isr_with_epochs=[BrokerState(A, 11), BrokerState(9, 1)])) == ErrorCode.INVALID_REQUEST


def test_what_does_not_exist_is_said_to_be_unknown() -> None:
    asked = row(A, B)
    asked.partition_index = 5
    assert code(image(), asked) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert code(image(), row(A, B), topic=UUID(int=999)) == ErrorCode.UNKNOWN_TOPIC_ID


@pytest.mark.parametrize("change", [{"fenced": 1}, {"in_controlled_shutdown": 1}])
def test_a_fenced_or_stopping_broker_does_not_join(change: dict[str, Any]) -> None:
    """KIP-841."""
    before = applied(image(), (r.BrokerRegistrationChangeRecord(C, BrokerEpoch(13), **change),))
    assert code(before, row(A, B, C)) == ErrorCode.INELIGIBLE_REPLICA


def test_a_broker_that_restarted_since_it_caught_up_does_not_join() -> None:
    """KIP-903."""
    states = [BrokerState(A, 11), BrokerState(B, 12), BrokerState(C, 9)]
    assert code(image(), row(new_isr_with_epochs=states)) == ErrorCode.INELIGIBLE_REPLICA


def test_a_leader_that_does_not_know_a_members_epoch_is_believed() -> None:
    states = [BrokerState(A, 11), BrokerState(B, -1), BrokerState(C, 13)]
    assert alter(image(), row(new_isr_with_epochs=states))[0] == (changed(isr=(A, B, C)),)


def test_version_2_names_no_epochs() -> None:
    assert alter(image(), row(new_isr_with_epochs=(), new_isr=(A, B, C)))[0] == (changed(isr=(A, B, C)),)


def test_an_earlier_registration_of_the_leader_is_not_heard() -> None:
    for who, expected in (
        ({"epoch": 10}, ErrorCode.STALE_BROKER_EPOCH),
        ({"broker": NodeId(9), "epoch": 1}, ErrorCode.BROKER_ID_NOT_REGISTERED),
    ):
        with pytest.raises(Rejected) as caught:
            alter(image(), row(A, B, C), **who)  # type: ignore[arg-type]
        assert caught.value.code == expected


def test_partitions_succeed_or_fail_alone() -> None:
    unknown = row(A, B)
    unknown.partition_index = 5
    records, response = alter(image(), unknown, row(A, B, C))
    assert records == (changed(isr=(A, B, C)),)
    assert [each.error_code for each in response.topics[0].partitions] == [3, 0]


def test_a_leader_that_may_not_lead_any_more_learns_that_another_was_elected() -> None:
    """Its directory went offline, and its proposal came before its metadata did."""
    before = applied(image(A, B), (r.BrokerRegistrationChangeRecord(A, BrokerEpoch(11), log_dirs=(directory(C),)),))
    records, response = alter(before, row(A, B, C))
    assert records == (changed(isr=(A, B, C), leader=B),)
    assert response.topics[0].partitions[0].error_code == ErrorCode.NEW_LEADER_ELECTED
