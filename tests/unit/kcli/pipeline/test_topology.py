"""What is known of leaders: the newest that anybody has told."""

from uuid import UUID

from kcli.pipeline.messages import Metadata, MetadataPartition, MetadataTopic
from kcli.pipeline.topology import Leader, Topology

NODES = {1: ("one", 9092), 2: ("two", 9092)}


def told(leader: int, epoch: int, *, identity: int = 1, name: str = "t") -> Metadata:
    topic = MetadataTopic(0, name, UUID(int=identity), False, (MetadataPartition(0, 0, leader, epoch),))
    return Metadata(NODES, (topic,), 0)


def known(*answers: Metadata, whole: bool = False) -> Topology:
    topology = Topology()
    for answer in answers:
        topology.update(answer, whole=whole)
    return topology


def test_a_leader_is_known() -> None:
    assert known(told(1, 5)).leader("t", 0) == Leader(1, 5)
    assert known(told(1, 5)).leader("t", 1) is None
    assert known(told(1, 5)).leader("u", 0) is None


def test_a_broker_that_lags_behind_does_not_bring_an_old_leader_back() -> None:
    assert known(told(1, 5), told(2, 4)).leader("t", 0) == Leader(1, 5)
    assert known(told(1, 5), told(2, 6)).leader("t", 0) == Leader(2, 6)


def test_a_topic_that_was_made_anew_has_new_epochs() -> None:
    assert known(told(1, 5), told(2, 0, identity=2)).leader("t", 0) == Leader(2, 0)


def test_old_brokers_tell_no_epochs() -> None:
    assert known(told(1, -1), told(2, -1)).leader("t", 0) == Leader(2, -1)


def test_a_leader_that_is_no_node_is_none() -> None:
    assert known(told(-1, 5)).leader("t", 0) is None
    assert known(told(3, 5)).leader("t", 0) is None


def test_topics_that_were_not_asked_about_stay() -> None:
    answers = told(1, 5), told(1, 5, name="u")
    assert set(known(*answers).topics) == {"t", "u"}
    assert set(known(*answers, whole=True).topics) == {"u"}


def test_an_error_does_not_make_a_topic_forgotten() -> None:
    gone = Metadata(NODES, (MetadataTopic(5, "t", UUID(int=1), False, ()),), 0)
    found = known(told(1, 5), gone)
    assert (found.leader("t", 0), found.topics["t"].error) == (Leader(1, 5), 5)
