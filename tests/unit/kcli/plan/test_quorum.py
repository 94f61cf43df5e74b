"""The quorum as metadata-quorum tells it. Words are those of Apache Kafka 4.3.1's MetadataQuorumCommand."""

import pytest

from kcli.errors import Failure
from kcli.model import ZERO_ID, Quorum, Replica
from kcli.plan import quorum as plan


def quorum(*voters: Replica, leader: int = 0) -> Quorum:
    return Quorum(leader, 2, 40, voters, (), ())


def replica(node: int, end: int, caught_up: int = 1000) -> Replica:
    return Replica(node, ZERO_ID, end, caught_up, caught_up)


@pytest.mark.parametrize(
    ("found", "lag"),
    [
        (quorum(replica(0, 49)), plan.Lag(0, 0)),
        (quorum(replica(0, 49), replica(1, 49, 900)), plan.Lag(0, 0)),
        (quorum(replica(0, 49), replica(1, 40, 900), replica(2, 48)), plan.Lag(9, 100)),
        (quorum(replica(0, 49), replica(1, 40, -1)), plan.Lag(9, -1)),
        (quorum(replica(0, 49, -1), replica(1, 40)), plan.Lag(9, -1)),
    ],
)
def test_the_lag_is_that_of_the_slowest_voter(found: Quorum, lag: plan.Lag) -> None:
    assert plan.max_lag(found) == lag


def test_a_quorum_without_a_leader_is_told() -> None:
    with pytest.raises(Failure, match="no leader"):
        plan.max_lag(quorum(replica(1, 3), leader=-1))


def test_times_are_told_as_ages() -> None:
    assert [plan.age_ms(at, 1000, "last fetch") for at in (-1, 1, 1000)] == [-1, 999, 0]


@pytest.mark.parametrize("at", [0, 1001, -2])
def test_a_time_that_cannot_be_shows_a_wrong_clock(at: int) -> None:
    with pytest.raises(Failure, match=f"possible drift(.|\n)*1000, last fetch timestamp is {at}"):
        plan.age_ms(at, 1000, "last fetch")


NEW = {
    "node.id": "9",
    "process.roles": "broker,controller",
    "log.dirs": "a, b",
    "controller.listener.names": "CONTROLLER,SECOND",
    "listeners": "CONTROLLER://:29999,SECOND://[::1]:1,PLAINTEXT://:9092",
    "advertised.listeners": "CONTROLLER://far:3",
}


def test_a_controller_is_read_from_its_properties() -> None:
    assert plan.added(NEW) == plan.Added(9, "a", (("CONTROLLER", "far", 3), ("SECOND", "::1", 1)))
    assert plan.added(NEW | {"metadata.log.dir": "m"}).metadata_directory == "m"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"node.id": None}, f"node.id not found in configuration file. {plan.VALID}"),
        ({"node.id": "-2"}, f"node.id was negative in configuration file. {plan.VALID}"),
        ({"node.id": "x"}, f"node.id is no number in configuration file: x. {plan.VALID}"),
        (
            {"process.roles": "broker"},
            f"process.roles did not contain 'controller' in configuration file. {plan.VALID}",
        ),
        ({"log.dirs": None}, f"Neither metadata.log.dir nor log.dirs were found. {plan.VALID}"),
        ({"controller.listener.names": None}, f"controller.listener.names was not found. {plan.VALID}"),
        ({"controller.listener.names": "X"}, "Cannot find information about controller listener name: X"),
    ],
)
def test_properties_that_are_no_controllers_are_refused(change: dict[str, str | None], words: str) -> None:
    told = {name: value for name, value in (NEW | change).items() if value is not None}
    with pytest.raises(Failure) as refused:
        plan.added(told)
    assert refused.value.message == words
