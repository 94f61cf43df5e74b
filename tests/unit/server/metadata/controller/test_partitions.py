"""Refusals are those that topics.record shows of Apache Kafka 4.3.1."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from server.metadata.controller import partitions, topics
from server.metadata.controller.partitions import MAX_PARTITIONS_A_REQUEST
from server.model.errors import ErrorCode
from server.model.ids import TopicId
from server.wire.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from server.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tests.unit.server.metadata.worlds import World


@pytest.fixture
def world() -> World:
    """Four brokers, and `first` with three partitions of two replicas."""
    made = World(0)
    made.join(0, 1, 2, 3)
    request = CreateTopicsRequest([CreatableTopic("first", 3, 2)])
    made.append(topics.create(made.image, {}, request, lambda: TopicId(UUID(int=501)), lambda stop: 0).records)
    return made


def grow(world: World, *rows: CreatePartitionsTopic, dry: bool = False) -> Sequence[CreatePartitionsTopicResult]:
    decision = partitions.grow(world.image, CreatePartitionsRequest(rows, validate_only=dry), lambda stop: 0)
    world.append(decision.records)
    return decision.response.results


def by_hand(name: str, count: int, *lists: Sequence[int]) -> CreatePartitionsTopic:
    return CreatePartitionsTopic(name, count, [CreatePartitionsAssignment(each) for each in lists])


def replicas(world: World) -> list[tuple[int, ...]]:
    return [each.replicas for each in world.image.topics["first"].partitions.values()]


def test_partitions_are_added_behind_with_as_many_replicas(world: World) -> None:
    assert grow(world, CreatePartitionsTopic("first", 5, None)) == [CreatePartitionsTopicResult("first")]
    assert replicas(world) == [(0, 1), (1, 2), (2, 3), (0, 1), (1, 2)]


def test_partitions_are_added_where_a_user_wants_them(world: World) -> None:
    grow(world, by_hand("first", 5, [3, 1], [2, 0]))
    assert replicas(world)[3:] == [(3, 1), (2, 0)]


def test_validation_alone_adds_nothing(world: World) -> None:
    before = world.image
    assert grow(world, CreatePartitionsTopic("first", 5, None), dry=True) == [CreatePartitionsTopicResult("first")]
    assert world.image is before


BAD = ErrorCode.INVALID_REPLICA_ASSIGNMENT


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        (
            CreatePartitionsTopic("first", 2, None),
            ErrorCode.INVALID_PARTITIONS,
            "The topic first currently has 3 partition(s); 2 would not be an increase.",
        ),
        (
            CreatePartitionsTopic("first", 3, None),
            ErrorCode.INVALID_PARTITIONS,
            "Topic already has 3 partition(s).",
        ),
        (
            by_hand("first", 4),
            BAD,
            "Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified.",
        ),
        (
            by_hand("first", 4, [0, 1], [1, 2]),
            BAD,
            "Attempted to add 1 additional partition(s), but only 2 assignment(s) were specified.",
        ),
        (
            by_hand("first", 4, [0]),
            BAD,
            "The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with "
            "previous partitions, which have 2 replica(s).",
        ),
        (
            by_hand("first", 4, [0, 9]),
            BAD,
            "The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
        (
            CreatePartitionsTopic("absent", 3, None),
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            "This server does not host this topic-partition.",
        ),
        (
            CreatePartitionsTopic("first", MAX_PARTITIONS_A_REQUEST + 4, None),
            ErrorCode.POLICY_VIOLATION,
            "Excessively large number of partitions per request.",
        ),
    ],
)
def test_growth_is_refused(world: World, row: CreatePartitionsTopic, code: ErrorCode, message: str) -> None:
    before = world.image
    assert grow(world, row) == [CreatePartitionsTopicResult(row.name, code, message)]
    assert world.image is before


def test_a_topic_that_is_named_twice_does_not_grow(world: World) -> None:
    twice = [CreatePartitionsTopic("first", 4, None), CreatePartitionsTopic("first", 5, None)]
    assert grow(world, *twice) == [
        CreatePartitionsTopicResult("first", ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
    ]
