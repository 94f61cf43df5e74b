"""Which topics are meant, and what an assignment says."""

import pytest

from kcli.errors import Failure
from kcli.model import Described, Partition, Reassignment, Topic
from kcli.plan import topics as plan


@pytest.mark.parametrize(
    ("expression", "name", "expected"),
    [
        ("yes1,yes2", "yes2", True),
        ("yes1,yes2", "no1", False),
        (".+", "alltopics", True),
        (".+", "__consumer_offsets", True),
        ("included-topic.+", "included-topic1", True),
        ("included-topic.+", "no1", False),
        (r"test-(?!bad\b)[\w]+", "test-good", True),
        (r"test-(?!bad\b)[\w]+", "test-bad", False),
        ("'quoted'", "quoted", True),
        ("a b", "ab", True),
        ("a", "ab", False),
        (None, "anything", True),
    ],
)
def test_an_expression_matches_whole_names(expression: str | None, name: str, expected: bool) -> None:
    """TopicFilterTest"""
    assert plan.matcher(expression)(name) is expected


@pytest.mark.parametrize("name", ["__consumer_offsets", "__transaction_state", "__share_group_state"])
def test_internal_topics_can_be_left_out(name: str) -> None:
    assert not plan.matcher(".+", exclude_internal=True)(name)
    assert not plan.matcher(None, exclude_internal=True)(name)
    assert plan.matcher(".+", exclude_internal=True)("other")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("orders", "orders"),
        (" 'orders' ", "orders"),
        ("a.b", None),
        ("a,b", None),
        ("", None),
        (None, None),
        ("a*", None),
    ],
)
def test_a_literal_name_needs_no_listing(expression: str | None, expected: str | None) -> None:
    assert plan.literal(expression) == expected


def test_an_assignment_names_brokers_by_partition() -> None:
    """TopicCommandTest.testParseAssignment"""
    assert plan.assignment("5:4,3:2,1:0") == ((5, 4), (3, 2), (1, 0))
    assert plan.assignment(" 1 : 2 ,3:4,") == ((1, 2), (3, 4))
    assert plan.assignment(",") == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("5:5", "Partition replica lists may not contain duplicate entries: 5"),
        ("1:2:1:2:1", "Partition replica lists may not contain duplicate entries: 1,2"),
        ("5:4:3,2:1", "Partition 1 has different replication factor: [2, 1]"),
        ("1,,2", 'For input string: ""'),
        ("a", 'For input string: "a"'),
        ("2147483648", 'For input string: "2147483648"'),
    ],
)
def test_what_is_no_assignment_is_told(text: str, complaint: str) -> None:
    with pytest.raises(Failure) as failure:
        plan.assignment(text)
    assert failure.value.message == complaint


def test_settings_are_split_as_java_splits_them() -> None:
    assert plan.configs([" a = 1 ", "b=2", "a=3"]) == {"a": "3", "b": "2"}
    for text in ("a", "a=", "a=b=c", "="):
        with pytest.raises(Failure, match="requirement failed"):
            plan.configs([text])


def test_a_replica_that_is_being_added_does_not_count() -> None:
    """TopicCommandTest.testIsNotUnderReplicatedWhenAdding"""
    partition = Partition(0, 1, (1, 2), (1,))
    move = Reassignment("t", 0, (1, 2), (2,), ())
    topic = Described(Topic("t", "", (partition,)), (), 1, {0: move})
    assert (topic.factor(partition), topic.replication_factor) == (1, 1)
    assert plan.ailing(topic, [plan.UNDER_REPLICATED], frozenset({1, 2})) == ()


def test_a_move_that_is_over_changes_nothing() -> None:
    partition = Partition(0, 1, (1, 2), (1,))
    topic = Described(Topic("t", "", (partition,)), (), 1, {0: Reassignment("t", 0, (), (7,), (8,))})
    assert topic.factor(partition) == 2


def test_a_topic_without_partitions_has_no_factor() -> None:
    assert Described(Topic("t", "", ()), (), 1, {}).replication_factor == 0


def test_an_id_is_checked_before_anybody_is_asked() -> None:
    assert plan.topic_id("AAAAAAAAAAAAAAAAAAAAAA==") == "AAAAAAAAAAAAAAAAAAAAAA"
