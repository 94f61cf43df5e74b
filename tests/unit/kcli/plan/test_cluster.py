"""The shape of local clusters."""

import pytest

from kcli.errors import Failure
from kcli.model import LocalNode, Partition, Quorum, Replica, Topic
from kcli.plan import cluster as plan

BOTH = ("broker", "controller")
ALONE = LocalNode(0, BOTH, 9092, 19092)


def as_asked(port: int) -> int:
    return port or 1


def test_a_cluster_of_one_is_broker_and_controller() -> None:
    assert plan.layout(1, None, 9092, as_asked) == (ALONE,)


def test_a_controllers_port_is_any_where_the_usual_one_is_beyond_the_last() -> None:
    assert plan.layout(1, None, 60_000, as_asked) == (LocalNode(0, BOTH, 60_000, 1),)


def test_larger_clusters_have_three_controllers_and_brokers_beside_them() -> None:
    assert plan.layout(4, None, 9092, as_asked) == (
        LocalNode(0, BOTH, 9092, 19092),
        LocalNode(1, BOTH, 9093, 19093),
        LocalNode(2, BOTH, 9094, 19094),
        LocalNode(3, ("broker",), 9095, None),
    )


def test_controllers_that_are_asked_for_are_nodes_of_their_own() -> None:
    assert plan.layout(2, 1, 9092, as_asked) == (
        LocalNode(0, ("broker",), 9092, None),
        LocalNode(1, ("broker",), 9093, None),
        LocalNode(2, ("controller",), None, 19094),
    )


def test_port_0_is_any_port_for_each() -> None:
    ports = iter(range(7, 20))
    assert plan.layout(1, 1, 0, lambda wanted: wanted or next(ports)) == (
        LocalNode(0, ("broker",), 7, None),
        LocalNode(1, ("controller",), None, 8),
    )
    plan.check_same([ALONE], 1, 1, 0)


def partition(leader: int | None, replicas: tuple[int, ...], isr: tuple[int, ...]) -> Partition:
    return Partition(0, leader, replicas, isr)


def test_health_counts_at_the_leader() -> None:
    rows = [partition(0, (0, 1), (0, 1)), partition(0, (0, 1), (0,)), partition(None, (1,), ())]
    quorum = Quorum(2, 1, 0, (), (), ())
    assert plan.health(quorum, [Topic("t", "x", tuple(rows))]) == plan.Health(2, {0: 2}, {0: 1}, 3, 1)


def test_health_that_nobody_tells_is_not_known() -> None:
    assert plan.health(None, None) == plan.Health()
    assert plan.health(Quorum(-1, 0, 0, (), (), ()), ()) == plan.Health(None, {}, {}, 0, 0)


def test_more_nodes_than_one_machine_bears_are_refused() -> None:
    with pytest.raises(Failure, match="A cluster of 33 nodes is more than one machine bears: 32 at most"):
        plan.layout(33, None, 9092, as_asked)


@pytest.mark.parametrize(
    ("brokers", "controllers", "port"), [(0, None, 9092), (1, 0, 9092), (1, 1, -1), (1, 1, 65_536)]
)
def test_numbers_that_make_no_cluster_are_refused(brokers: int, controllers: int, port: int) -> None:
    with pytest.raises(Failure):
        plan.layout(brokers, controllers, port, as_asked)


def test_settings_come_back_as_the_node_that_they_are_of() -> None:
    nodes = (ALONE, LocalNode(1, ("broker",), 9093, None), LocalNode(2, ("controller",), None, 19094))
    told = [plan.properties(nodes, node, "/d", {"a": "b"}) for node in nodes]
    assert [plan.read(each) for each in told] == list(nodes)
    assert told[1]["controller.quorum.voters"] == "0@localhost:19092,2@localhost:19094"
    assert (told[1]["default.replication.factor"], told[1]["a"]) == ("2", "b")


@pytest.mark.parametrize("text", ["retention", "=1", "node.id=4", "log.dirs=/x", "listeners=PLAINTEXT://:1"])
def test_settings_that_are_none_or_not_the_users_are_refused(text: str) -> None:
    with pytest.raises(Failure):
        plan.settings([text])


def test_a_setting_may_hold_equals_signs() -> None:
    assert plan.settings(["a = b=c", "a=d", "e="]) == {"a": "d", "e": ""}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((2, None, None), "--brokers 2: the cluster that is there has 1."),
        ((None, 3, None), "--controllers 3: the cluster that is there has 1."),
        ((1, 1, 9093), "--port 9093: the cluster that is there has 9092."),
    ],
)
def test_another_cluster_than_the_one_that_is_there_is_refused(
    asked: tuple[int | None, int | None, int | None], words: str
) -> None:
    with pytest.raises(Failure) as refused:
        plan.check_same([ALONE], *asked)
    assert refused.value.message == words


def test_the_same_cluster_may_be_asked_for_again() -> None:
    plan.check_same([ALONE], 1, 1, 9092)
    plan.check_same([ALONE], None, None, None)


FOUR = plan.layout(4, None, 9092, as_asked)


@pytest.mark.parametrize(
    ("words", "sides"),
    [
        (["0,1 | 2,3"], ((0, 1), (2, 3))),
        (["0,1", "2,3"], ((0, 1), (2, 3))),
        (["0", "|", "1", "2"], ((0,), (1,), (2,))),
    ],
)
def test_the_sides_of_a_partition_are_parted_by_bars_or_blanks(words: list[str], sides: object) -> None:
    assert plan.groups(words, range(4)) == sides
    assert plan.groups([plan.told_sides(plan.groups(words, range(4)))], range(4)) == sides


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("0,1", "A partition has two sides or more."),
        ("0 |", "A partition has two sides or more."),
        ("0,1 1", "Node 1 stands on two sides."),
        ("0 a", "'a' is no node."),
        ("0 4", "The cluster has no node 4: it has 0, 1, 2, 3."),
    ],
)
def test_a_partition_that_is_none_is_refused(words: str, message: str) -> None:
    with pytest.raises(Failure) as refused:
        plan.groups([words], range(4))
    assert refused.value.message == message


def test_nodes_are_cut_off_from_all_listeners_of_the_other_sides() -> None:
    sides = ((0,), (1, 3))
    assert plan.cut_off(0, sides, FOUR) == [("localhost", 9093), ("localhost", 19093), ("localhost", 9095)]
    assert plan.cut_off(3, sides, FOUR) == [("localhost", 9092), ("localhost", 19092)]
    assert plan.cut_off(2, sides, FOUR) == []


def replica(node: int, end: int) -> Replica:
    return Replica(node, "x", end, -1, -1)


WELL = Topic("t", "x", (partition(0, (0, 1), (0, 1)),))
LACKING = Topic("t", "x", (partition(0, (0, 1), (0,)),))
TWO = (ALONE, LocalNode(1, ("broker",), 9093, None))


@pytest.mark.parametrize(
    ("leader", "ends", "alive", "topic", "wrong"),
    [
        (0, (9, 9), {0, 1}, WELL, None),
        (-1, (9, 9), {0, 1}, WELL, "there is no active controller"),
        (0, (9, 8), {0, 1}, WELL, "node 1 lags behind the metadata log"),
        (0, (8, 9), {0, 1}, WELL, "node 0 lags behind the metadata log"),
        (0, (9, 9), {0}, WELL, "node 1 is not alive to node 1"),
        (0, (9, 9), {0, 1}, LACKING, "1 partitions are under-replicated"),
    ],
)
def test_a_node_may_go_when_nothing_is_lacking(
    leader: int, ends: tuple[int, int], alive: set[int], topic: Topic, wrong: str | None
) -> None:
    quorum = Quorum(leader, 1, 9, (replica(0, ends[0]),), (replica(1, ends[1]),), ())
    seen = [plan.Seen(0, {0, 1}, [WELL]), plan.Seen(1, alive, [topic])]
    assert plan.unwell(TWO, quorum, 9, seen) == wrong
