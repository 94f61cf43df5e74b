"""Throttles of reassignments: rates as people write them, Kafka's lists of replicas, and what is left over."""

import pytest

from kcli.errors import Refused
from kcli.model import Reassignment, Resource, Setting
from kcli.model.moves import Leftover, Target
from kcli.plan import throttles
from kcli.plan.throttles import FOLLOWERS, LEADERS, Route


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [("10000000", 10_000_000), ("-1", -1), ("+7", 7), ("0", 0), ("50MB", 50_000_000), ("50 MB/s", 50_000_000),
     ("1GiB/s", 1 << 30), ("1.5MiB", 1_572_864), ("10kB", 10_000), ("10KB", 10_000), ("8KiB", 8192), ("5B/s", 5),
     ("2TB", 2_000_000_000_000), (str((1 << 63) - 1), (1 << 63) - 1)],
)  # fmt: skip
def test_a_rate_is_read(text: str, bytes_per_s: int) -> None:
    assert throttles.rate(text) == bytes_per_s


@pytest.mark.parametrize(
    "text", ["", "fast", "5M", "5Mi", "5mb", "1.5", "1.5B", "5iB", "5 MB / h", "1e6", "\u0665", str(1 << 63)]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are the caller's
        throttles.rate(text)


# The cluster of Kafka's own test of this: what moves already, what is proposed, what the partitions have.
MOVES = [
    Reassignment("foo", 0, (1, 2, 3, 4, 5), (4, 5), (1, 2, 3)),
    Reassignment("foo", 1, (4, 5, 6, 7, 8), (7, 8), (4, 5)),
    Reassignment("foo", 2, (1, 2, 3, 4), (3, 4), (1, 2)),
]
TARGETS = [Target("foo", 0, (1, 2, 5)), Target("foo", 10, (3, 9)), Target("bar", 0, (2, 1))]
REPLICAS = {("foo", 0): (1, 2, 3, 4, 5), ("foo", 10): (1, 3), ("bar", 0): (2, 3, 4)}


def test_routes_are_what_moves_and_what_is_proposed() -> None:
    assert throttles.routes(MOVES, TARGETS, REPLICAS) == {
        ("foo", 0): Route(frozenset({1, 2, 3}), frozenset({5})),
        ("foo", 1): Route(frozenset({4, 5, 6}), frozenset({7, 8})),
        ("foo", 2): Route(frozenset({1, 2}), frozenset({3, 4})),
        ("foo", 10): Route(frozenset({1, 3}), frozenset({9})),
        ("bar", 0): Route(frozenset({2, 3, 4}), frozenset({1})),
    }


def test_topics_get_lists_that_are_sorted_as_texts() -> None:
    found = throttles.of_topics(throttles.routes(MOVES, TARGETS, REPLICAS))
    assert {one.name: {change.name: change.value for change in changes} for one, changes in found.items()} == {
        "bar": {LEADERS: "0:2,0:3,0:4", FOLLOWERS: "0:1"},
        "foo": {
            LEADERS: "0:1,0:2,0:3,10:1,10:3,1:4,1:5,1:6,2:1,2:2",
            FOLLOWERS: "0:5,10:9,1:7,1:8,2:3,2:4",
        },
    }


def test_each_broker_that_has_part_gets_both_rates() -> None:
    found = throttles.of_brokers(throttles.routes([], TARGETS[2:], REPLICAS), 9)
    assert [(one, [(c.name, c.value, c.operation) for c in changes]) for one, changes in found.items()] == [
        (
            Resource("broker", str(broker)),
            [("leader.replication.throttled.rate", "9", "set"), ("follower.replication.throttled.rate", "9", "set")],
        )
        for broker in (1, 2, 3, 4)
    ]


def test_only_what_somebody_set_is_left_over() -> None:
    rate = "leader.replication.throttled.rate"
    settings: dict[Resource, tuple[Setting, ...] | Refused] = {
        Resource("broker", "1"): (Setting(rate, "5", "DYNAMIC_BROKER_CONFIG"),),
        Resource("broker", "2"): (Setting(rate, "9223372036854775807", "DEFAULT_CONFIG"),),
        Resource("broker", "3"): Refused(29),
        Resource("topic", "a"): (Setting(LEADERS, "0:1", "DYNAMIC_TOPIC_CONFIG"),),
        Resource("topic", "b"): (Setting(FOLLOWERS, "", "DYNAMIC_TOPIC_CONFIG"),),
        Resource("topic", "c"): (Setting("retention.ms", "5", "DYNAMIC_TOPIC_CONFIG"),),
    }
    assert throttles.leftover(settings) == Leftover((1,), ("a",))
