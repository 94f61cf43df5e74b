"""Consumer groups of KIP-848: how members come, share, give up, go and come back."""

from typing import Any

import pytest

from server.groups.consumer.settings import ConsumerSettings
from server.groups.settings import GroupSettings
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from tests.unit.server.groups.consumer.worlds import World, topic_id

T = topic_id("t")
JOIN: dict[str, Any] = {"rebalance_timeout_ms": 60_000, "subscribed_topic_names": ["t"], "topic_partitions": []}


def told(*partitions: int) -> Assignment:
    return Assignment([TopicPartitions(T, list(partitions))] if partitions else [])


def settings(max_size: int = 10, assignment_ms: int = 1_000) -> GroupSettings:
    return GroupSettings(consumer=ConsumerSettings(max_size, assignment_ms=assignment_ms))


def test_the_first_member_gets_everything_in_the_first_epoch() -> None:
    world = World(t=3)
    expected = ConsumerGroupHeartbeatResponse(0, 0, None, "a", 1, 5_000, told(0, 1, 2))
    assert world.beat("a", 0, **JOIN) == expected
    assert world.group.state_name == "Stable"
    assert world.beat("a", 1) == ConsumerGroupHeartbeatResponse(0, 0, None, "a", 1, 5_000, None)


def test_a_member_without_an_id_gets_one() -> None:
    """Version 0 of the request."""
    assert World(t=1).beat("", 0, **JOIN).member_id == "made"


def test_a_partition_changes_hands_only_when_it_is_given_up() -> None:
    """KIP-848: the new member waits in UNRELEASED, while the old one gives up in its old epoch."""
    world = World(t=2)
    world.beat("a", 0, **JOIN)
    world.pass_ms(1_000)
    assert world.beat("b", 0, **JOIN) == ConsumerGroupHeartbeatResponse(0, 0, None, "b", 2, 5_000, told())
    assert world.group.state_name == "Reconciling"
    first = world.beat("a", 1)
    assert (first.member_epoch, first.assignment) == (1, told(0))
    assert world.beat("b", 2).assignment is None
    assert world.beat("a", 1, topic_partitions=[TopicPartitions(T, [0, 1])]).member_epoch == 1
    assert world.beat("b", 2).assignment is None
    assert world.beat("a", 1, topic_partitions=[TopicPartitions(T, [0])]).member_epoch == 2
    assert world.beat("b", 2).assignment == told(1)
    assert world.group.state_name == "Stable"


def test_who_has_yet_more_to_give_up_comes_one_epoch_further() -> None:
    world = World(t=6)
    world.beat("a", 0, **JOIN)
    world.pass_ms(1_000)
    world.beat("b", 0, **JOIN)
    assert world.beat("a", 1).assignment == told(0, 1, 2)
    world.pass_ms(1_000)
    world.beat("c", 0, **JOIN)
    answer = world.beat("a", 1, topic_partitions=[TopicPartitions(T, [0, 1, 2])])
    assert (answer.member_epoch, answer.assignment) == (2, told(0, 1))
    assert world.beat("a", 2, topic_partitions=[TopicPartitions(T, [0, 1])]).member_epoch == 3


def test_who_does_not_give_up_in_time_is_out() -> None:
    world = World(t=2)
    world.come("a")
    world.pass_ms(1_000)
    world.come("b")
    for _ in range(30):
        world.beat("a", 1)
        world.speak(world.clients["b"])
        world.pass_ms(1_990)
    assert world.refusal("a", 1) is ErrorCode.NONE
    world.pass_ms(400)
    assert world.refusal("a", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    del world.clients["a"]
    world.settle()
    assert world.shares() == {"b": ["t0", "t1"]}


def test_who_is_silent_is_out_and_the_others_take_over() -> None:
    world = World(t=4)
    world.come("a")
    world.come("b")
    world.settle()
    assert world.shares() == {"a": ["t0", "t1"], "b": ["t2", "t3"]}
    gone = world.clients.pop("b")
    for _ in range(46):
        world.settle(1)
    world.settle(2)
    assert world.shares() == {"a": ["t0", "t1", "t2", "t3"]}
    assert world.refusal("b", gone.epoch) is ErrorCode.UNKNOWN_MEMBER_ID


def test_who_leaves_frees_its_partitions_at_once() -> None:
    world = World(t=2)
    world.come("a")
    world.come("b")
    world.settle()
    assert world.beat("b", -1) == ConsumerGroupHeartbeatResponse(member_id="b", member_epoch=-1)
    del world.clients["b"]
    world.settle(2)
    assert world.shares() == {"a": ["t0", "t1"]}
    world.beat("a", -1)
    assert world.group.state_name == "Empty"


@pytest.mark.parametrize(
    ("epoch", "fields", "code"),
    [
        (2, {}, ErrorCode.NONE),
        (1, {}, ErrorCode.FENCED_MEMBER_EPOCH),
        (3, {}, ErrorCode.FENCED_MEMBER_EPOCH),
        (1, {"topic_partitions": [TopicPartitions(T, [0])]}, ErrorCode.NONE),
        (1, {"topic_partitions": [TopicPartitions(T, [1])]}, ErrorCode.FENCED_MEMBER_EPOCH),
        (0, JOIN, ErrorCode.NONE),
    ],
)
def test_another_epoch_is_fenced_unless_only_the_answer_was_missed(
    epoch: int, fields: dict[str, object], code: ErrorCode
) -> None:
    """a is in epoch 2 and was in 1 before; it has partition 0."""
    world = World(t=2)
    world.come("a")
    world.come("b")
    world.settle()
    assert world.clients["a"].epoch == 2
    assert world.refusal("a", epoch, **fields) is code


def test_unknown_groups_and_members_are_refused() -> None:
    world = World(t=1)
    assert world.refusal("a", 1) is ErrorCode.GROUP_ID_NOT_FOUND
    world.come("a")
    assert world.refusal("b", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.refusal("b", -1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_full_group_takes_nobody() -> None:
    world = World(settings(max_size=1), t=1)
    world.come("a")
    assert world.refusal("b", 0, **JOIN) is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert world.refusal("a", 0, **JOIN) is ErrorCode.NONE


def test_assignments_come_no_faster_than_the_interval() -> None:
    """KIP-1263; when the interval is over, nobody has to ask for the next one."""
    world = World(settings(assignment_ms=5_000), t=2)
    world.come("a")
    world.come("b")
    assert world.group.state_name == "Assigning"
    world.pass_ms(4_999)
    assert world.group.state_name == "Assigning"
    world.pass_ms(1)
    assert world.group.state_name == "Reconciling"


# static members


def test_a_static_member_comes_back_to_what_it_had() -> None:
    """KIP-848: it leaves with epoch -2, and nobody else gets its partitions meanwhile."""
    world = World(t=4)
    world.come("a", instance="one")
    world.come("b")
    world.settle()
    before, epoch = world.shares()["a"], world.group.epoch
    assert world.beat("a", -2, instance_id="one").member_epoch == -2
    del world.clients["a"]
    world.settle(2)
    world.come("c", instance="one")
    world.settle(1)
    assert world.shares()["c"] == before
    assert (world.group.epoch, sorted(world.group.members)) == (epoch, ["b", "c"])
    assert world.refusal("a", 2, instance_id="one") is ErrorCode.FENCED_INSTANCE_ID
    assert world.refusal("x", 2, instance_id="two") is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_static_member_that_has_not_left_keeps_its_name() -> None:
    world = World(t=1)
    world.come("a", instance="one")
    assert world.refusal("b", 0, instance_id="one", **JOIN) is ErrorCode.UNRELEASED_INSTANCE_ID
    assert world.refusal("a", 0, instance_id="one", **JOIN) is ErrorCode.NONE


def test_a_static_member_that_stays_away_is_out() -> None:
    world = World(t=2)
    world.come("a", instance="one")
    world.come("b")
    world.settle()
    world.beat("a", -2, instance_id="one")
    del world.clients["a"]
    world.settle(50)
    assert world.shares() == {"b": ["t0", "t1"]}


def test_what_a_static_member_was_giving_up_is_free_once_it_is_away() -> None:
    world = World(t=2)
    world.beat("a", 0, instance_id="one", **JOIN)
    world.pass_ms(1_000)
    world.beat("b", 0, **JOIN)
    assert world.beat("a", 1).assignment == told(0)
    world.beat("a", -2, instance_id="one")
    assert world.beat("b", 2).assignment == told(1)


# topics


def test_partitions_that_are_added_are_assigned() -> None:
    world = World(t=1)
    world.come("a")
    world.come("b")
    world.settle()
    assert world.shares() == {"a": ["t0"], "b": []}
    world.resize("t", 2)
    world.settle(3)
    assert world.shares() == {"a": ["t0"], "b": ["t1"]}


def test_a_topic_that_goes_is_taken_back_and_one_that_comes_is_found() -> None:
    world = World(t=2)
    world.come("a", topics=("t", "u"))
    world.resize("u", 1)
    world.settle(3)
    assert world.shares() == {"a": ["t0", "t1", "u0"]}
    world.resize("t", 0)
    world.settle(3)
    assert world.shares() == {"a": ["u0"]}


def test_other_topics_change_no_epoch() -> None:
    world = World(t=1)
    world.come("a")
    world.resize("u", 5)
    world.settle()
    assert world.group.epoch == 1


def test_an_expression_follows_the_topics_that_it_matches() -> None:
    world = World(ab=1, b=1)
    world.come("a", topics=(), regex="a.*")
    world.settle(2)
    assert world.shares() == {"a": ["ab0"]}
    world.resize("ac", 1)
    world.settle(3)
    assert world.shares() == {"a": ["ab0", "ac0"]}
    world.clients["a"].regex = "b"
    world.settle(3)
    assert world.shares() == {"a": ["b0"]}
    assert world.group.regexes == {"b": {"b"}}
    world.restart()
    assert world.group.regexes == {"b": {"b"}}


def test_a_bad_expression_is_refused() -> None:
    world = World(t=1)
    fields = JOIN | {"subscribed_topic_regex": "("}
    assert world.refusal("a", 0, **fields) is ErrorCode.INVALID_REGULAR_EXPRESSION
    assert world.core.groups == {}


def test_a_changed_subscription_takes_back_at_once_what_was_left() -> None:
    world = World(settings(assignment_ms=60_000), t=1, u=1)
    world.come("a", topics=("t", "u"))
    world.clients["a"].topics = ("u",)
    world.settle(2)
    assert world.shares() == {"a": ["u0"]}


# the log


def test_another_coordinator_goes_on_where_this_one_stopped() -> None:
    """A failover alone changes no epoch."""
    world = World(t=4)
    world.come("a", instance="one")
    world.come("b", assignor="range")
    world.settle()
    shares, epochs = world.shares(), {name: client.epoch for name, client in world.clients.items()}
    described = world.core.described_consumers("g")
    world.restart()
    assert world.core.described_consumers("g") == described
    world.settle()
    assert (world.shares(), {name: client.epoch for name, client in world.clients.items()}) == (shares, epochs)


def test_topics_that_changed_while_nobody_coordinated_are_noticed() -> None:
    world = World(t=1)
    world.come("a")
    world.topics["t"].partitions[1] = None
    world.restart()
    world.settle(2)
    assert world.shares() == {"a": ["t0", "t1"]}


def test_time_begins_anew_after_a_failover() -> None:
    world = World(t=2)
    world.come("a")
    world.pass_ms(44_000)
    world.restart()
    world.pass_ms(44_000)
    assert world.refusal("a", 1) is ErrorCode.NONE
    world.pass_ms(45_000)
    assert world.refusal("a", 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_an_append_that_is_refused_leaves_everything_as_it_was() -> None:
    world = World(t=2)
    world.come("a")
    world.resize("t", 3)
    world.refuse = Rejected(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    world.pass_ms(1_000)
    assert world.refusal("a", 1) is ErrorCode.COORDINATOR_NOT_AVAILABLE
    world.settle(2)
    assert world.shares() == {"a": ["t0", "t1", "t2"]}


def test_a_deleted_group_leaves_nothing() -> None:
    world = World(t=2)
    world.come("a", topics=(), regex="t")
    assert world.take(world.core.delete(["g"], world.now))[0].error_code == ErrorCode.NON_EMPTY_GROUP
    world.beat("a", -1)
    assert world.take(world.core.delete(["g"], world.now))[0].error_code == ErrorCode.NONE
    assert world.core.groups == {}
    world.restart()
    assert world.core.groups == {}
