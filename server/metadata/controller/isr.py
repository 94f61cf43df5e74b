"""What the active controller decides when a leader proposes an ISR.

The leader knows who keeps up; the controller knows who is alive, in which registration, and whether the leader still
leads. What a proposal rests on is named by three epochs: the broker's, the leader's and the partition's. A proposal
that rests on less than the controller knows is refused; one that rests on more means that this controller is behind.

Source: KIP-497 (AlterPartition), KIP-704 (leader recovery), KIP-841 (fenced and stopping brokers), KIP-903 (broker
epochs of the proposed), KIP-966 (ELR).
"""

from collections.abc import Mapping
from dataclasses import replace

from server.metadata import settings
from server.metadata.controller import elections
from server.metadata.controller.decision import Decision
from server.metadata.delta import changed
from server.metadata.image import RECOVERED, RECOVERING, Image, Partition, Topic
from server.metadata.records import PartitionChangeRecord
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NodeId, TopicId
from server.wire.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionResponse,
    RequestPartitionData,
    ResponsePartitionData,
    ResponseTopicData,
)

ANY_EPOCH = -1  # the leader does not know in which registration a member of the ISR is


def alter(image: Image, static: settings.Static, request: AlterPartitionRequest) -> Decision[AlterPartitionResponse]:
    """Take over the proposed ISRs; each partition succeeds or fails alone.

    Raises Rejected: BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH.
    Row errors: FENCED_LEADER_EPOCH, INELIGIBLE_REPLICA, INVALID_REQUEST, INVALID_UPDATE_VERSION, NEW_LEADER_ELECTED,
    NOT_CONTROLLER, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION.
    """
    proposer = NodeId(request.broker_id)
    _check_proposer(image, proposer, request.broker_epoch)
    records: list[PartitionChangeRecord] = []
    topics = []
    for wanted in request.topics:
        topic = image.topic_of(TopicId(wanted.topic_id))
        rules = None if topic is None else elections.rules_for(image, static, topic.name)
        rows = []
        for row in wanted.partitions:
            try:
                before, isr = _check(image, topic, proposer, row)
                assert topic is not None
                assert rules is not None
                record = _change(image, topic, row, before, isr, rules)
            except Rejected as refused:
                rows.append(ResponsePartitionData(row.partition_index, refused.code))
                continue
            if record is not None:
                records.append(record)
            rows.append(_answer(proposer, row, before if record is None else changed(before, record)))
        topics.append(ResponseTopicData(wanted.topic_id, rows))
    return Decision(tuple(records), AlterPartitionResponse(topics=topics))


def _check_proposer(image: Image, proposer: NodeId, epoch: int) -> None:
    broker = image.brokers.get(proposer)
    if broker is None:
        raise Rejected(ErrorCode.BROKER_ID_NOT_REGISTERED, f"No broker registration found for broker id {proposer}")
    if broker.epoch != epoch:
        raise Rejected(
            ErrorCode.STALE_BROKER_EPOCH, f"Expected broker epoch {broker.epoch}, but got broker epoch {epoch}"
        )


def _members(row: RequestPartitionData) -> Mapping[NodeId, int]:
    """The proposed ISR in its order, with the broker epochs that the leader knows. Raises Rejected: a replica twice."""
    told = [(each.broker_id, each.broker_epoch) for each in row.new_isr_with_epochs]
    told = told or [(each, ANY_EPOCH) for each in row.new_isr]
    members = {NodeId(replica): epoch for replica, epoch in told}
    if len(members) < len(told):
        raise Rejected(ErrorCode.INVALID_REQUEST)
    return members


def _check(
    image: Image, topic: Topic | None, proposer: NodeId, row: RequestPartitionData
) -> tuple[Partition, tuple[NodeId, ...]]:
    """The partition as it is, and the ISR to be. Raises Rejected."""
    if topic is None:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_ID)
    known = topic.partitions.get(row.partition_index)
    if known is None:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if row.leader_epoch > known.leader_epoch or row.partition_epoch > known.partition_epoch:
        raise Rejected(ErrorCode.NOT_CONTROLLER)  # the leader has seen records that this controller has not
    if row.leader_epoch < known.leader_epoch:
        raise Rejected(ErrorCode.FENCED_LEADER_EPOCH)
    if proposer != known.leader:
        raise Rejected(ErrorCode.INVALID_REQUEST)
    if row.partition_epoch < known.partition_epoch:
        raise Rejected(ErrorCode.INVALID_UPDATE_VERSION)
    members = _members(row)
    recovering = row.leader_recovery_state == RECOVERING
    if proposer not in members or not members.keys() <= set(known.replicas):
        raise Rejected(ErrorCode.INVALID_REQUEST)
    if recovering and (len(members) > 1 or known.leader_recovery_state == RECOVERED):
        raise Rejected(ErrorCode.INVALID_REQUEST)
    if not all(_eligible(image, replica, epoch) for replica, epoch in members.items()):
        raise Rejected(ErrorCode.INELIGIBLE_REPLICA)
    return known, tuple(members)


def _eligible(image: Image, replica: NodeId, epoch: int) -> bool:
    broker = image.brokers.get(replica)
    return broker is not None and broker.active and epoch in (ANY_EPOCH, broker.epoch)


def _change(
    image: Image,
    topic: Topic,
    row: RequestPartitionData,
    before: Partition,
    isr: tuple[NodeId, ...],
    rules: elections.Rules,
) -> PartitionChangeRecord | None:
    rules = replace(rules, acceptable=elections.acceptor(image, before))
    record = elections.change(topic.topic_id, row.partition_index, before, isr, rules)
    if before.leader_recovery_state == RECOVERING and row.leader_recovery_state == RECOVERED:
        record = record or PartitionChangeRecord(row.partition_index, topic.topic_id)
        record = replace(record, leader_recovery_state=RECOVERED)
    return record


def _answer(proposer: NodeId, row: RequestPartitionData, now: Partition) -> ResponsePartitionData:
    if now.leader != proposer:
        return ResponsePartitionData(row.partition_index, ErrorCode.NEW_LEADER_ELECTED)
    return ResponsePartitionData(
        row.partition_index,
        ErrorCode.NONE,
        now.leader,
        now.leader_epoch,
        now.isr,
        now.leader_recovery_state,
        now.partition_epoch,
    )
