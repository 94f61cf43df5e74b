"""What the active controller decides about moving replicas: begin, override, cancel, and what is on its way.

A reassignment first only adds: the partition has the replicas that were asked for, and behind them those that will go.
When all that come are in sync, the same change of the ISR that says so takes the others out (`elections.change`).
A cancelled one goes back to the replicas that were there before.

Asked for something else in between, what came is dropped unless it is wanted again: whatever follows, the replicas are
then those of the start or those of the last request. Only if nobody else holds what was acknowledged, it stays until
others do.

Source: KIP-455, KIP-860 (the replication factor), KIP-858 (directories), KIP-966 (ELR); the words of refusals are
Kafka's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from server.metadata import settings
from server.metadata.controller import assignment, elections, placement
from server.metadata.controller.decision import MAX_RECORDS_A_REQUEST, Decision
from server.metadata.controller.elections import Election, Target
from server.metadata.delta import changed
from server.metadata.image import Image, Partition, Topic
from server.metadata.records import PartitionChangeRecord
from server.model.errors import ErrorCode, Rejected
from server.model.ids import DirectoryId, NodeId
from server.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from server.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)


def alter(
    image: Image, static: settings.Static, request: AlterPartitionReassignmentsRequest
) -> Decision[AlterPartitionReassignmentsResponse]:
    """Begin, override or (replicas null) cancel reassignments; each partition succeeds or fails alone.

    Row errors: INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, NO_REASSIGNMENT_IN_PROGRESS, POLICY_VIOLATION,
    UNKNOWN_TOPIC_OR_PARTITION.
    """
    records: list[PartitionChangeRecord] = []
    responses = []
    for wanted in request.topics:
        now: dict[int, Partition] = {}  # what earlier rows made of partitions that are named twice
        topic = image.topics.get(wanted.name)
        rules = None if topic is None else elections.rules_for(image, static, topic.name)
        rows = []
        for row in wanted.partitions:
            index = row.partition_index
            try:
                if topic is None or rules is None:
                    raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find a topic named {wanted.name}.")
                before = now.get(index) or topic.partitions.get(index)
                if before is None:
                    raise Rejected(
                        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition {wanted.name}:{index}."
                    )
                rules = replace(rules, acceptable=elections.acceptor(image, before))
                record = _decided(
                    image, topic, before, row, rules, allow_factor=request.allow_replication_factor_change
                )
                if record is not None and len(records) >= MAX_RECORDS_A_REQUEST:
                    raise Rejected(ErrorCode.POLICY_VIOLATION, "Unable to perform excessively large batch operation.")
            except Rejected as refused:
                rows.append(ReassignablePartitionResponse(index, refused.code, refused.message))
                continue
            if record is not None:
                records.append(record)
                now[index] = changed(before, record)
            rows.append(ReassignablePartitionResponse(index, ErrorCode.NONE, None))
        responses.append(ReassignableTopicResponse(wanted.name, rows))
    response = AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_message=None,
        responses=responses,
    )
    return Decision(tuple(records), response)


def _decided(
    image: Image,
    topic: Topic,
    before: Partition,
    row: ReassignablePartition,
    rules: elections.Rules,
    *,
    allow_factor: bool,
) -> PartitionChangeRecord | None:
    if row.replicas is None:
        return _cancelled(topic, row.partition_index, before, rules)
    assignment.check(image, row.replicas, None)
    if not allow_factor:
        _check_factor(before, row.replicas)
    wanted = tuple(map(NodeId, row.replicas))
    target = _target(image, before, wanted)
    isr = tuple(each for each in before.isr if each in target.replicas)
    rules = replace(rules, election=Election.ONLINE)
    return elections.change(topic.topic_id, row.partition_index, before, isr, rules, target)


def is_moving(partition: Partition) -> bool:
    return bool(partition.adding_replicas or partition.removing_replicas)


def _check_factor(before: Partition, replicas: Sequence[int]) -> None:
    factor = len({*before.replicas} - {*before.removing_replicas})
    if factor != len(replicas):
        raise Rejected(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor is changed from {factor} to {len(replicas)}",
        )


def _target(image: Image, before: Partition, wanted: tuple[NodeId, ...]) -> Target:
    """The replicas that are wanted, in that order, then those that will go, by number."""
    first = {*before.replicas} - {*before.adding_replicas}
    safe = {*before.isr} or {*before.elr}
    if not safe & (first | {*wanted}):
        first |= safe
    replicas = (*wanted, *sorted(first - {*wanted}))
    return Target(
        replicas,
        tuple(_directories(image, before, replicas)),
        adding=tuple(sorted({*wanted} - first)),
        removing=tuple(sorted(first - {*wanted})),
    )


def _directories(image: Image, before: Partition, replicas: Iterable[NodeId]) -> Iterator[DirectoryId]:
    for replica in replicas:
        known = replica in before.replicas
        yield before.directory(replica) if known else placement.new_directory(image, replica)


def _cancelled(topic: Topic, index: int, before: Partition, rules: elections.Rules) -> PartitionChangeRecord | None:
    """Back to the replicas of the start. Raises Rejected: nothing is moving, or all that is in sync would go."""
    if not is_moving(before):
        raise Rejected(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in progress.")
    target = Target.of(before).without(before.adding_replicas)
    if not target.replicas:
        raise Rejected(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "Invalid replica assignment: addingReplicas contains all replicas.",
        )
    isr = tuple(each for each in before.isr if each in target.replicas)
    if not isr and not (rules.elr and {*before.elr} & {*target.replicas}):
        if rules.election is not Election.UNCLEAN:
            raise Rejected(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Unable to revert partition assignment for {topic.name}:{index} because it would require an unclean "
                "leader election.",
            )
        isr = target.replicas[:1]
    return elections.change(topic.topic_id, index, before, isr, rules, target)


def under_way(image: Image, request: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse:
    """The reassignments that are not completed: of the named partitions, or (topics null) all."""
    if request.topics is None:
        wanted = ((name, sorted(topic.partitions)) for name, topic in image.topics.items())
    else:
        wanted = ((row.name, list(row.partition_indexes)) for row in request.topics)
    topics = []
    for name, indexes in wanted:
        topic = image.topics.get(name)
        rows = [] if topic is None else [*_moving(topic, indexes)]
        if rows:
            topics.append(OngoingTopicReassignment(name, rows))
    return ListPartitionReassignmentsResponse(error_message=None, topics=topics)


def _moving(topic: Topic, indexes: Iterable[int]) -> Iterator[OngoingPartitionReassignment]:
    for index in indexes:
        found = topic.partitions.get(index)
        if found is not None and is_moving(found):
            yield OngoingPartitionReassignment(index, found.replicas, found.adding_replicas, found.removing_replicas)
