"""ConsumerGroupHeartbeat and -Describe on a broker in memory: what requests are refused, and what the metadata does."""

from typing import Any

import pytest

from server.metadata import records as r
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.consumer_group_describe import Assignment as Described
from server.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest, DescribedGroup, Member
from server.wire.messages.consumer_group_describe import TopicPartitions as DescribedPartitions
from server.wire.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from tests.support.data_plane import DataPlane, topic_id
from tests.unit.server.handlers.worlds import plane, run

NEWEST = 1
JOIN: dict[str, Any] = {"rebalance_timeout_ms": 60_000, "subscribed_topic_names": ["t"], "topic_partitions": []}


async def coordinating(level: int = 1, **topics: int) -> DataPlane:
    made = plane(**topics)
    made.publish(r.FeatureLevelRecord("group.version", level))
    made.create("__consumer_offsets", 1, cleanup_policy="compact")
    for shard in made.broker.groups:
        assert shard.loading is not None
        await shard.loading
    return made


async def beat(made: DataPlane, member_id: str, epoch: int, **fields: Any) -> Any:
    return await made.ask(ConsumerGroupHeartbeatRequest("g", member_id, epoch, **fields), NEWEST)


@pytest.mark.parametrize(
    ("request_", "version", "message"),
    [
        (ConsumerGroupHeartbeatRequest("", "a", 0, **JOIN), 1, "GroupId can't be empty."),
        (ConsumerGroupHeartbeatRequest("g", "", 0, **JOIN), 1, "MemberId can't be empty."),
        (ConsumerGroupHeartbeatRequest("g", "", 1), 0, "MemberId can't be empty."),
        (ConsumerGroupHeartbeatRequest("g", "a", 0, instance_id="", **JOIN), 1, "InstanceId can't be empty."),
        (ConsumerGroupHeartbeatRequest("g", "a", 1, rack_id=""), 1, "RackId can't be empty."),
        (
            ConsumerGroupHeartbeatRequest("g", "a", 0, subscribed_topic_names=["t"], topic_partitions=[]),
            1,
            "RebalanceTimeoutMs must be provided in first request.",
        ),
        (
            ConsumerGroupHeartbeatRequest("g", "a", 0, rebalance_timeout_ms=1, subscribed_topic_names=["t"]),
            1,
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            ConsumerGroupHeartbeatRequest("g", "a", 0, rebalance_timeout_ms=1, topic_partitions=[]),
            1,
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (ConsumerGroupHeartbeatRequest("g", "a", -2), 1, "InstanceId can't be null."),
        (
            ConsumerGroupHeartbeatRequest("g", "a", -3),
            1,
            "MemberEpoch is -3, but must be greater than or equal to -2.",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_kafkas_words(
    request_: ConsumerGroupHeartbeatRequest, version: int, message: str
) -> None:
    async def main() -> None:
        with pytest.raises(Rejected) as caught:
            await (await coordinating(t=1)).ask(request_, version)
        assert (caught.value.code, caught.value.message) == (ErrorCode.INVALID_REQUEST, message)

    run(main)


def test_an_unknown_assignor_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(Rejected) as caught:
            await beat(await coordinating(t=1), "a", 0, server_assignor="best", **JOIN)
        words = "ServerAssignor best is not supported. Supported assignors: range, uniform."
        assert (caught.value.code, caught.value.message) == (ErrorCode.UNSUPPORTED_ASSIGNOR, words)

    run(main)


def test_a_cluster_without_the_feature_refuses_the_protocol() -> None:
    async def main() -> None:
        made = await coordinating(0, t=1)
        with pytest.raises(Rejected) as caught:
            await beat(made, "a", 0, **JOIN)
        assert caught.value.code is ErrorCode.UNSUPPORTED_VERSION
        described = await made.ask(ConsumerGroupDescribeRequest(["g"]), NEWEST)
        assert described.groups == [DescribedGroup(ErrorCode.UNSUPPORTED_VERSION, None, "g")]

    run(main)


def test_a_member_follows_the_metadata_and_the_groups_own_settings() -> None:
    async def main() -> None:
        made = await coordinating(t=1)
        made.publish(r.ConfigRecord(32, "g", "consumer.heartbeat.interval.ms", "7000"))
        first = await beat(made, "a", 0, **(JOIN | {"subscribed_topic_names": ["t", "u"]}))
        rows = [TopicPartitions(topic_id("t"), [0])]
        assert first == ConsumerGroupHeartbeatResponse(0, 0, None, "a", 1, 7000, Assignment(rows))
        made.create("u", 1)
        made.publish(r.ConfigRecord(32, "g", "consumer.assignment.interval.ms", "0"))
        second = await beat(made, "a", 1)
        assert second.member_epoch == 2
        given = second.assignment.topic_partitions
        assert sorted(row.topic_id for row in given) == sorted([topic_id("t"), topic_id("u")])

    run(main)


def test_a_group_is_described_with_its_epochs_and_assignments() -> None:
    async def main() -> None:
        made = await coordinating(t=2)
        await beat(made, "a", 0, rack_id="r", **JOIN)
        found = Described([DescribedPartitions(topic_id("t"), "t", [0, 1])])
        answered = await made.ask(ConsumerGroupDescribeRequest(["g", "h"]), NEWEST)
        group, other = answered.groups
        (member,) = group.members
        assert member == Member("a", None, "r", 1, member.client_id, member.client_host, ["t"], None, found, found, 1)
        expected = DescribedGroup(0, None, "g", "Stable", 1, 1, "uniform", [member])
        assert group == expected
        assert other == DescribedGroup(ErrorCode.GROUP_ID_NOT_FOUND, "Group h not found.", "h")

    run(main)
