"""What the active controller decides about topics: create and delete.

Each topic of a request succeeds or fails alone; what an earlier one decided, the later ones see. The words of refusals
are Kafka's.

Source: KIP-4 (create, delete), KIP-516 (topic ids), KIP-525 (what a new topic's settings are), KIP-599 (limits).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from server.metadata import describe, settings
from server.metadata.controller import assignment
from server.metadata.controller.configs import topic_records
from server.metadata.controller.decision import Decision
from server.metadata.controller.placement import Below
from server.metadata.delta import applied
from server.metadata.image import Image
from server.metadata.records import PartitionRecord, Record, RemoveTopicRecord, TopicRecord
from server.model import topic_names
from server.model.errors import ErrorCode, Rejected
from server.model.ids import METADATA_TOPIC, ZERO_UUID, TopicId
from server.model.settings.kinds import ResourceType
from server.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from server.wire.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)

MAX_PARTITIONS_A_REQUEST = 10_000
DEFAULT = -1

NewId = Callable[[], TopicId]


def create(
    image: Image,
    static: settings.Static,
    request: CreateTopicsRequest,
    new_id: NewId,
    below: Below,
    room: int = MAX_PARTITIONS_A_REQUEST,
) -> Decision[CreateTopicsResponse]:
    """Create the topics of a request, or say what would come of it.

    new_id, below  draws: an id for each topic, and starting points for placement
    room           how many partitions they may have together
    Row errors: INVALID_CONFIG, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR,
    INVALID_REQUEST, INVALID_TOPIC_EXCEPTION, POLICY_VIOLATION, TOPIC_ALREADY_EXISTS.
    """
    records: list[Record] = []
    results = []
    twice = {name for name, times in Counter(topic.name for topic in request.topics).items() if times > 1}
    shared = _Defaults(image, static)
    # Kept beside the image, and grown with it: looking for a collision must not walk all topics for each new one.
    folded = {topic_names.folded(name): name for name in image.topics if topic_names.may_collide(name)}
    for topic in {topic.name: topic for topic in request.topics}.values():
        try:
            if topic.name in twice:
                raise Rejected(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
            check_name(image, folded, topic.name)
            topic_id = new_id()
            made = _made(image, static, topic, topic_id, below, room)
        except Rejected as refused:
            results.append(CreatableTopicResult(topic.name, error_code=refused.code, error_message=refused.message))
            continue
        partitions = [record for record in made if isinstance(record, PartitionRecord)]
        room -= len(partitions)
        records += made
        image = applied(image, made)
        if topic_names.may_collide(topic.name):
            folded[topic_names.folded(topic.name)] = topic.name
        results.append(
            CreatableTopicResult(
                topic.name,
                topic_id,
                error_message=None,
                num_partitions=len(partitions),
                replication_factor=len(partitions[0].replicas),
                configs=shared.configs(image, topic.name),
            )
        )
    response = CreateTopicsResponse(topics=results)
    return Decision(() if request.validate_only else tuple(records), response)


def check_name(image: Image, folded: dict[str, str], name: str) -> None:
    """Whether a topic of this name can be created. Raises Rejected."""
    topic_names.check(name)
    if name == METADATA_TOPIC:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"Creation of internal topic {METADATA_TOPIC} is prohibited.")
    if name in image.topics:
        raise Rejected(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
    other = folded.get(topic_names.folded(name)) if topic_names.may_collide(name) else None
    if other is not None:
        raise Rejected(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {other}")


def _made(
    image: Image, static: settings.Static, topic: CreatableTopic, topic_id: TopicId, below: Below, room: int
) -> tuple[Record, ...]:
    """The records of one new topic, in Kafka's order: the topic, its settings, its partitions. Raises Rejected."""
    nulls = [row.name for row in topic.configs if row.value is None]
    if nulls:
        raise Rejected(ErrorCode.INVALID_CONFIG, f"Null value not supported for topic configs: {','.join(nulls)}")
    overrides = {row.name: row.value or "" for row in topic.configs}
    configs = topic_records(image, static, topic.name, dict(overrides))
    partitions = _partitions(image, static, topic, topic_id, below, room)
    return (TopicRecord(topic.name, topic_id), *configs, *partitions)


def _partitions(
    image: Image, static: settings.Static, topic: CreatableTopic, topic_id: TopicId, below: Below, room: int
) -> tuple[PartitionRecord, ...]:
    if topic.assignments:
        return _assigned(image, topic, topic_id)
    if topic.replication_factor != DEFAULT and topic.replication_factor < 1:
        raise Rejected(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if topic.num_partitions != DEFAULT and topic.num_partitions < 1:
        raise Rejected(ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
    broker = settings.broker_settings(image, static)
    count = _number(topic.num_partitions, broker.value("num.partitions"))
    if count > room:
        raise Rejected(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    factor = _number(topic.replication_factor, broker.value("default.replication.factor"))
    return assignment.placed(image, topic_id, 0, count, factor, below)


def _number(asked: int, default: object) -> int:
    assert isinstance(default, int)
    return default if asked == DEFAULT else asked


def _assigned(image: Image, topic: CreatableTopic, topic_id: TopicId) -> tuple[PartitionRecord, ...]:
    for what, value in (("replication factor", topic.replication_factor), ("numPartitions", topic.num_partitions)):
        if value != DEFAULT:
            raise Rejected(
                ErrorCode.INVALID_REQUEST,
                f"A manual partition assignment was specified, but {what} was not set to -1.",
            )
    by_index: dict[int, Sequence[int]] = {}
    for row in topic.assignments:
        if row.partition_index in by_index:
            raise Rejected(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Found multiple manual partition assignments for partition {row.partition_index}",
            )
        by_index[row.partition_index] = row.broker_ids
    if sorted(by_index) != list(range(len(by_index))):
        raise Rejected(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence"
        )
    return assignment.named(image, topic_id, 0, [by_index[index] for index in sorted(by_index)], None)


class _Defaults:
    """What new topics that set nothing themselves are told of their settings: the same for all of a request."""

    def __init__(self, image: Image, static: settings.Static) -> None:
        self._settings = settings.broker_settings(image, static)
        self._entries: list[describe.Entry] | None = None
        self._rows: tuple[CreatableTopicConfigs, ...] = ()

    def configs(self, image: Image, name: str) -> tuple[CreatableTopicConfigs, ...]:
        """All settings of a topic."""
        if self._entries is None:
            self._entries = describe.topic_defaults(self._settings)
            self._rows = _rows(self._entries)
        overrides = image.config(ResourceType.TOPIC, name)
        return _rows(describe.overridden(self._entries, overrides)) if overrides else self._rows


def _rows(entries: Iterable[describe.Entry]) -> tuple[CreatableTopicConfigs, ...]:
    return tuple(
        CreatableTopicConfigs(each.name, each.value, each.read_only, each.source, each.sensitive) for each in entries
    )


def delete(image: Image, request: DeleteTopicsRequest, *, enabled: bool = True) -> Decision[DeleteTopicsResponse]:
    """Delete topics by name or id, or both kinds in one request; versions before 6 name them in `topic_names`.

    Row errors: INVALID_REQUEST, TOPIC_DELETION_DISABLED, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION.
    """
    wanted = [*request.topics, *(DeleteTopicState(name) for name in request.topic_names)]
    found = Counter(topic_id for topic_id in (_id_of(image, each) for each in wanted) if topic_id is not None)
    records: list[Record] = []
    results = []
    answered: set[tuple[str | None, object]] = set()
    for each in wanted:
        topic_id = _id_of(image, each)
        if (each.name, each.topic_id) in answered:
            continue
        answered.add((each.name, each.topic_id))
        name = image.topic_names.get(topic_id) if topic_id else None
        try:
            if not enabled:
                raise Rejected(ErrorCode.TOPIC_DELETION_DISABLED)
            _check_deletion(each, topic_id, times=found[topic_id] if topic_id else 1)
        except Rejected as refused:
            results.append(DeletableTopicResult(each.name, each.topic_id, refused.code, refused.message))
            continue
        assert topic_id is not None
        records.append(RemoveTopicRecord(topic_id))
        results.append(DeletableTopicResult(name, topic_id))
    return Decision(tuple(records), DeleteTopicsResponse(responses=results))


def _id_of(image: Image, wanted: DeleteTopicState) -> TopicId | None:
    """The id of the topic that is meant; None where there is none."""
    if wanted.name is not None:
        topic = image.topics.get(wanted.name)
        return None if topic is None else topic.topic_id
    topic_id = TopicId(wanted.topic_id)
    return topic_id if topic_id in image.topic_names else None


def _check_deletion(wanted: DeleteTopicState, topic_id: TopicId | None, times: int) -> None:
    by_name, by_id = wanted.name is not None, wanted.topic_id != ZERO_UUID
    if by_name and by_id:
        raise Rejected(ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")
    if not by_name and not by_id:
        raise Rejected(ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")
    if times > 1:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"Duplicate topic {'name' if by_name else 'id'}.")
    if topic_id is None and by_name:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
    if topic_id is None:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
