"""Refusals are those that topics.record shows of Apache Kafka 4.3.1."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from server.metadata import records as r
from server.metadata.controller import topics
from server.metadata.controller.topics import MAX_PARTITIONS_A_REQUEST
from server.model.errors import ErrorCode
from server.model.ids import LeaderEpoch, NodeId, TopicId
from server.model.settings.kinds import ResourceType
from server.wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreatableTopicResult,
    CreateTopicsRequest,
)
from server.wire.messages.delete_topics import DeletableTopicResult, DeleteTopicsRequest, DeleteTopicState
from tests.unit.server.metadata.worlds import World

ABSENT = UUID(int=777)


@pytest.fixture
def world() -> World:
    made = World(0)
    made.join(0, 1, 2, 3)
    return made


def ids(start: int = 501) -> topics.NewId:
    numbers = iter(range(start, start + 10_000))
    return lambda: TopicId(UUID(int=next(numbers)))


def wanted(name: str = "first", partitions: int = 1, factor: int = 1, **configs: str | None) -> CreatableTopic:
    rows = [CreatableTopicConfig(key.replace("_", "."), value) for key, value in configs.items()]
    return CreatableTopic(name, partitions, factor, configs=rows)


def manual(name: str, *lists: Sequence[int], factor: int = -1, partitions: int = -1) -> CreatableTopic:
    rows = [CreatableReplicaAssignment(at, brokers) for at, brokers in enumerate(lists)]
    return CreatableTopic(name, partitions, factor, assignments=rows)


def create(world: World, *rows: CreatableTopic, validate_only: bool = False) -> Sequence[CreatableTopicResult]:
    request = CreateTopicsRequest(rows, validate_only=validate_only)
    decision = topics.create(world.image, world.static, request, ids(), lambda stop: 0)
    world.append(decision.records)
    return decision.response.topics


def refusal(world: World, row: CreatableTopic) -> tuple[ErrorCode, str | None]:
    before = world.image
    (result,) = create(world, row)
    assert world.image is before
    return ErrorCode(result.error_code), result.error_message


def test_a_topic_is_made_of_its_record_its_settings_and_its_partitions(world: World) -> None:
    """In that order, as Kafka writes them; and with min.insync.replicas the eligible replicas are cleared between."""
    (result,) = create(world, wanted("first", 2, 3, min_insync_replicas="2", retention_ms="1"))
    topic_id = TopicId(UUID(int=501))
    dirs = {each: broker.directories[0] for each, broker in world.image.brokers.items()}

    def partition(index: int, *replicas: int) -> r.PartitionRecord:
        found = tuple(NodeId(each) for each in replicas)
        return r.PartitionRecord(
            index, topic_id, found, found, leader=found[0], leader_epoch=LeaderEpoch(0), partition_epoch=0,
            directories=tuple(dirs[each] for each in found),
        )  # fmt: skip

    assert world.batches[-1][1] == (
        r.TopicRecord("first", topic_id),
        r.ConfigRecord(ResourceType.TOPIC, "first", "min.insync.replicas", "2"),
        r.ConfigRecord(ResourceType.TOPIC, "first", "retention.ms", "1"),
        r.ClearElrRecord("first"),
        partition(0, 0, 1, 2),
        partition(1, 1, 2, 3),
    )
    assert (result.name, result.topic_id, result.error_code, result.error_message) == ("first", topic_id, 0, None)
    assert (result.num_partitions, result.replication_factor) == (2, 3)


def test_the_answer_has_all_settings_of_the_topic(world: World) -> None:
    (result,) = create(world, wanted(retention_ms="1"))
    assert result.configs is not None
    found = {each.name: (each.value, each.config_source) for each in result.configs}
    assert len(found) == 33
    assert (found["retention.ms"], found["min.insync.replicas"], found["flush.ms"]) == (
        ("1", 1),
        ("1", 3),
        ("9223372036854775807", 5),
    )


def test_validation_alone_writes_nothing_and_answers_the_same(world: World) -> None:
    before = world.image
    (dry,) = create(world, wanted(), validate_only=True)
    assert world.image is before
    (wet,) = create(world, wanted())
    assert dry == wet


def test_counts_that_are_not_given_come_from_the_brokers_settings(world: World) -> None:
    world.static |= {"num.partitions": "3", "default.replication.factor": "2"}
    (result,) = create(world, wanted("first", -1, -1))
    assert (result.num_partitions, result.replication_factor) == (3, 2)


def test_brokers_that_are_down_are_replicas_but_not_in_sync(world: World) -> None:
    world.append(world.register(3).records)
    create(world, manual("manual", [3, 0]))
    found = world.image.topics["manual"].partitions[0]
    assert (found.replicas, found.isr, found.leader) == ((3, 0), (0,), 0)


def test_one_bad_topic_does_not_keep_the_others_back(world: World) -> None:
    results = create(world, wanted("a.b"), wanted("bad name"), wanted("a_b"), wanted("c"))
    assert [ErrorCode(each.error_code).name for each in results] == [
        "NONE",
        "INVALID_TOPIC_EXCEPTION",
        "INVALID_TOPIC_EXCEPTION",
        "NONE",
    ]
    assert results[2].error_message == "Topic 'a_b' collides with existing topic: a.b"
    assert list(world.image.topics) == ["a.b", "c"]


def test_a_name_that_is_asked_for_twice_is_not_made(world: World) -> None:
    (result,) = create(world, wanted("twice"), wanted("twice"))
    assert (result.error_code, result.error_message) == (ErrorCode.INVALID_REQUEST, "Duplicate topic name.")


def test_a_name_is_refused_that_is_taken_or_collides_or_is_the_metadatas(world: World) -> None:
    create(world, wanted("with.dot"))
    assert refusal(world, wanted("with.dot")) == (
        ErrorCode.TOPIC_ALREADY_EXISTS,
        "Topic 'with.dot' already exists.",
    )
    assert refusal(world, wanted("with_dot")) == (
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        "Topic 'with_dot' collides with existing topic: with.dot",
    )
    assert refusal(world, wanted("__cluster_metadata"))[0] is ErrorCode.INVALID_REQUEST


BAD = ErrorCode.INVALID_REPLICA_ASSIGNMENT


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        (
            wanted("big", 1, 5),
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Unable to replicate the partition 5 time(s): The target replication factor of 5 cannot be reached because "
            "only 4 broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (
            wanted("x", 1, 0),
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            wanted("x", 0),
            ErrorCode.INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            wanted("x", MAX_PARTITIONS_A_REQUEST + 1),
            ErrorCode.POLICY_VIOLATION,
            "Excessively large number of partitions per request.",
        ),
        (
            wanted("x", retention_ms="abc"),
            ErrorCode.INVALID_CONFIG,
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (wanted("x", no_such="1"), ErrorCode.INVALID_CONFIG, "Unknown topic config name: no.such"),
        (
            wanted("x", retention_ms=None, flush_ms=None),
            ErrorCode.INVALID_CONFIG,
            "Null value not supported for topic configs: retention.ms,flush.ms",
        ),
        (
            manual("x", [0, 9]),
            BAD,
            "The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
        (manual("x", [0, 0]), BAD, "The manual partition assignment includes the broker 0 more than once."),
        (manual("x", []), BAD, "The manual partition assignment includes an empty replica list."),
        (
            manual("x", [0], [1, 2]),
            BAD,
            "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with "
            "previous partitions, which have 1 replica(s).",
        ),
        (
            manual("x", [0], factor=1),
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        ),
        (
            manual("x", [0], partitions=1),
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            CreatableTopic("x", -1, -1, [CreatableReplicaAssignment(1, [0])]),
            BAD,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            CreatableTopic("x", -1, -1, [CreatableReplicaAssignment(0, [0])] * 2),
            BAD,
            "Found multiple manual partition assignments for partition 0",
        ),
    ],
)
def test_a_topic_is_refused(world: World, row: CreatableTopic, code: ErrorCode, message: str) -> None:
    assert refusal(world, row) == (code, message)


def test_a_partition_needs_a_replica_that_is_up(world: World) -> None:
    world.append(world.register(3).records)
    assert refusal(world, manual("x", [3])) == (
        BAD,
        "All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled "
        "shutdown.",
    )


def test_the_limit_of_partitions_is_that_of_a_whole_request(world: World) -> None:
    results = create(world, wanted("a", MAX_PARTITIONS_A_REQUEST), wanted("b"))
    assert [ErrorCode(each.error_code).name for each in results] == ["NONE", "POLICY_VIOLATION"]


# Delete


def delete(world: World, *rows: DeleteTopicState, enabled: bool = True) -> Sequence[DeletableTopicResult]:
    decision = topics.delete(world.image, DeleteTopicsRequest(topics=rows), enabled=enabled)
    world.append(decision.records)
    return decision.response.responses


def test_topics_are_deleted_by_name_and_by_id(world: World) -> None:
    create(world, wanted("a"), wanted("b"), wanted("c"))
    a, b = (world.image.topics[name].topic_id for name in "ab")
    assert delete(world, DeleteTopicState("a"), DeleteTopicState(None, b)) == [
        DeletableTopicResult("a", a),
        DeletableTopicResult("b", b),
    ]
    assert world.batches[-1][1] == (r.RemoveTopicRecord(a), r.RemoveTopicRecord(b))
    assert list(world.image.topics) == ["c"]


def test_old_requests_name_topics_in_a_list_of_their_own(world: World) -> None:
    create(world, wanted("a"))
    decision = topics.delete(world.image, DeleteTopicsRequest(topic_names=["a", "x"]))
    assert [(each.name, each.error_code) for each in decision.response.responses] == [
        ("a", 0),
        ("x", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    assert len(decision.records) == 1


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        (
            DeleteTopicState("x"),
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            "This server does not host this topic-partition.",
        ),
        (DeleteTopicState(None, ABSENT), ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID."),
        (DeleteTopicState(None), ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified."),
        (
            DeleteTopicState("x", ABSENT),
            ErrorCode.INVALID_REQUEST,
            "You may not specify both topic name and topic id.",
        ),
    ],
)
def test_a_deletion_is_refused(world: World, row: DeleteTopicState, code: ErrorCode, message: str) -> None:
    assert delete(world, row) == [DeletableTopicResult(row.name, row.topic_id, code, message)]


def test_a_topic_that_is_named_twice_in_whatever_way_is_not_deleted(world: World) -> None:
    create(world, wanted("a"))
    a = world.image.topics["a"].topic_id
    assert [each.error_message for each in delete(world, DeleteTopicState("a"), DeleteTopicState("a"))] == [
        "Duplicate topic name."
    ]
    assert [each.error_message for each in delete(world, DeleteTopicState("a"), DeleteTopicState(None, a))] == [
        "Duplicate topic name.",
        "Duplicate topic id.",
    ]
    assert "a" in world.image.topics


def test_deletion_can_be_switched_off(world: World) -> None:
    create(world, wanted("a"))
    (result,) = delete(world, DeleteTopicState("a"), enabled=False)
    assert result.error_code == ErrorCode.TOPIC_DELETION_DISABLED
    assert "a" in world.image.topics
