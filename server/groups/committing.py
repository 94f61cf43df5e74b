"""What is asked about committed offsets: OffsetCommit, TxnOffsetCommit, OffsetFetch, OffsetDelete; and their expiry.

The functions are given the group, or None where there is none. A commit without a group makes one: a simple group,
that has offsets and no members, until its offsets expire.

Source: as in offsets.py.
"""

from collections.abc import Iterator

from server.groups.consumer.group import ConsumerGroup
from server.groups.group import Group, Turn
from server.groups.offsets import Committed, OffsetStore, record, tombstone
from server.groups.records import NO_TIMESTAMP
from server.groups.settings import GroupSettings
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from server.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from server.wire.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from server.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

NO_OFFSET, NO_EPOCH = -1, -1
DEFAULT_RETENTION = -1
FIRST_GROUP_ERROR_VERSION = 9  # of OffsetCommit: older clients take no GROUP_ID_NOT_FOUND


def commit(
    group: Group | None, turn: Turn, settings: GroupSettings, request: OffsetCommitRequest, api_version: int
) -> OffsetCommitResponse:
    """Raises Rejected: what the group's `check_commit` refuses; GROUP_ID_NOT_FOUND or ILLEGAL_GENERATION: there is no
    such group, and the request is a member's. Row error: OFFSET_METADATA_TOO_LARGE."""
    generation = request.generation_id_or_member_epoch
    if group is not None:
        _check_version(group, request.member_id, api_version)
        group.check_commit(
            request.member_id,
            request.group_instance_id,
            generation,
            transactional=False,
            partitions=((topic.name, row.partition_index) for topic in request.topics for row in topic.partitions),
        )
        group.committed(turn, request.member_id)
    elif generation >= 0:
        newer = api_version >= FIRST_GROUP_ERROR_VERSION
        raise Rejected(ErrorCode.GROUP_ID_NOT_FOUND if newer else ErrorCode.ILLEGAL_GENERATION)
    now_ms = turn.now.timestamp_ms
    kept = request.retention_time_ms
    expires_ms = NO_TIMESTAMP if kept == DEFAULT_RETENTION else now_ms + kept
    topics = []
    for topic in request.topics:
        rows = []
        for row in topic.partitions:
            code = _check_metadata(row, settings)
            if code is ErrorCode.NONE:
                committed = _committed(row, now_ms)._replace(expires_ms=expires_ms, topic_id=topic.topic_id)
                turn.records.append(record(request.group_id, topic.name, row.partition_index, committed))
            rows.append(OffsetCommitResponsePartition(row.partition_index, code))
        topics.append(OffsetCommitResponseTopic(topic.name, topic.topic_id, rows))
    return OffsetCommitResponse(topics=topics)


def _check_version(group: Group, member_id: str, api_version: int) -> None:
    """Older clients do not know the errors that tell a member of a consumer group about its epoch."""
    if isinstance(group, ConsumerGroup) and member_id in group.members and api_version < FIRST_GROUP_ERROR_VERSION:
        raise Rejected(
            ErrorCode.UNSUPPORTED_VERSION,
            f"OffsetCommit version {FIRST_GROUP_ERROR_VERSION} or above must be used by members using the modern group"
            " protocol",
        )


def commit_in_transaction(
    group: Group | None, turn: Turn, settings: GroupSettings, request: TxnOffsetCommitRequest
) -> TxnOffsetCommitResponse:
    """What the producer of `request` commits, if its transaction does. The caller makes the batch the producer's.

    Raises Rejected: as `commit`, but ILLEGAL_GENERATION also where there is no such group.
    """
    if group is not None:
        member_id, instance_id = request.member_id, request.group_instance_id
        try:
            wanted = ((topic.name, row.partition_index) for topic in request.topics for row in topic.partitions)
            group.check_commit(member_id, instance_id, request.generation_id, transactional=True, partitions=wanted)
        except Rejected as e:
            if e.code is ErrorCode.STALE_MEMBER_EPOCH:
                raise Rejected(ErrorCode.ILLEGAL_GENERATION) from e
            raise
    elif request.generation_id >= 0:
        raise Rejected(ErrorCode.ILLEGAL_GENERATION)
    topics = []
    for topic in request.topics:
        rows = []
        for row in topic.partitions:
            code = _check_metadata(row, settings)
            if code is ErrorCode.NONE:
                committed = _committed(row, turn.now.timestamp_ms)
                turn.records.append(record(request.group_id, topic.name, row.partition_index, committed))
            rows.append(TxnOffsetCommitResponsePartition(row.partition_index, code))
        topics.append(TxnOffsetCommitResponseTopic(topic.name, rows))
    return TxnOffsetCommitResponse(topics=topics)


def _committed(row: OffsetCommitRequestPartition | TxnOffsetCommitRequestPartition, now_ms: int) -> Committed:
    return Committed(row.committed_offset, row.committed_leader_epoch, row.committed_metadata or "", now_ms)


def _check_metadata(
    row: OffsetCommitRequestPartition | TxnOffsetCommitRequestPartition, settings: GroupSettings
) -> ErrorCode:
    too_large = len(row.committed_metadata or "") > settings.metadata_max_bytes
    return ErrorCode.OFFSET_METADATA_TOO_LARGE if too_large else ErrorCode.NONE


def fetch(
    group: Group | None, store: OffsetStore, wanted: OffsetFetchRequestGroup, *, require_stable: bool
) -> OffsetFetchResponseGroup:
    """The offsets of a group; of all its partitions, where the request names none. -1 for what is not committed.

    Raises Rejected: what the group's `check_fetch` refuses. Row error: UNSTABLE_OFFSET_COMMIT, where a transaction
    that is not over may change the offset, and the client wants to wait for that.
    """
    group_id = wanted.group_id
    if group is not None:
        group.check_fetch(wanted.member_id, wanted.member_epoch)

    def row(topic: str, partition: int) -> OffsetFetchResponsePartitions:
        if require_stable and store.is_pending(group_id, topic, partition):
            code = ErrorCode.UNSTABLE_OFFSET_COMMIT
            return OffsetFetchResponsePartitions(partition, NO_OFFSET, NO_EPOCH, "", code)
        known = store.find(group_id, topic, partition)
        if known is None:
            return OffsetFetchResponsePartitions(partition, NO_OFFSET, NO_EPOCH, "")
        return OffsetFetchResponsePartitions(partition, known.offset, known.leader_epoch, known.metadata)

    if wanted.topics is None:
        topics = [
            OffsetFetchResponseTopics(topic, partitions=[row(topic, index) for index in sorted(rows)])
            for topic, rows in store.of(group_id).items()
        ]
    else:
        topics = [
            OffsetFetchResponseTopics(each.name, each.topic_id, [row(each.name, i) for i in each.partition_indexes])
            for each in wanted.topics
        ]
    return OffsetFetchResponseGroup(group_id, topics)


def delete(group: Group | None, store: OffsetStore, turn: Turn, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    """Forget offsets. Raises Rejected: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. Row error: GROUP_SUBSCRIBED_TO_TOPIC."""
    if group is None:
        raise Rejected(ErrorCode.GROUP_ID_NOT_FOUND)
    group.check_offset_delete()
    topics = [
        OffsetDeleteResponseTopic(topic.name, list(_delete(group, store, turn, topic))) for topic in request.topics
    ]
    return OffsetDeleteResponse(topics=topics)


def _delete(
    group: Group, store: OffsetStore, turn: Turn, topic: OffsetDeleteRequestTopic
) -> Iterator[OffsetDeleteResponsePartition]:
    code = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if group.subscribed_to(topic.name) else ErrorCode.NONE
    for row in topic.partitions:
        index = row.partition_index
        known = store.find(group.group_id, topic.name, index) is not None
        if code is ErrorCode.NONE and (known or store.is_pending(group.group_id, topic.name, index)):
            turn.records.append(tombstone(group.group_id, topic.name, index))
        yield OffsetDeleteResponsePartition(index, code)


def expire(group: Group, store: OffsetStore, turn: Turn, retention_ms: int) -> bool:
    """Forget what nobody has read or committed for so long; whether nothing is left then."""
    group_id, now_ms, left = group.group_id, turn.now.timestamp_ms, False
    for topic, rows in store.of(group_id).items():
        for index, known in rows.items():
            since = group.unused_since(known.timestamp_ms)
            if known.expires_ms == NO_TIMESTAMP:
                over = since is not None and now_ms - since >= retention_ms
            else:
                over = since is not None and now_ms >= known.expires_ms
            if over and not group.subscribed_to(topic) and not store.is_pending(group_id, topic, index):
                turn.records.append(tombstone(group_id, topic, index))
            else:
                left = True
    return not left and not store.in_transactions(group_id)
