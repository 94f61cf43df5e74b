"""Elections, reassignments and log directories over sockets: what is asked, of whom, and what the answers become."""

from collections.abc import Mapping

import pytest

from kcli.errors import Refused, Unreachable
from kcli.model.moves import Directory, Stored
from server.wire.messages import alter_partition_reassignments as altering
from server.wire.messages import alter_replica_log_dirs as placing
from server.wire.messages import describe_log_dirs as describing
from server.wire.messages import elect_leaders as electing
from server.wire.messages import metadata
from tests.support.scripted import HANG_UP, ScriptedBroker
from tests.unit.kcli.client.test_admin import admin


def told(answers: Mapping[tuple[str, int], Refused | None]) -> dict[tuple[str, int], tuple[int, str] | None]:
    return {one: None if no is None else (no.code, no.message) for one, no in answers.items()}


def test_leaders_are_elected_by_topic() -> None:
    rows = (electing.PartitionResult(0), electing.PartitionResult(1, 84, None))
    answer = electing.ElectLeadersResponse(
        replica_election_results=(electing.ReplicaElectionResult("orders", rows),),
    )
    with ScriptedBroker({"ElectLeaders": answer}) as broker, admin(broker) as kafka:
        answers = kafka.elect_leaders("UNCLEAN", [("orders", 0), ("orders", 1)])
        assert told(answers) == {
            ("orders", 0): None,
            ("orders", 1): (84, "Leader election not needed for topic partition."),
        }
        kafka.elect_leaders("PREFERRED", None)
    first, second = broker.asked[1][2], broker.asked[2][2]
    assert (first.election_type, second.election_type, second.topic_partitions) == (1, 0, None)
    assert [(row.topic, list(row.partitions)) for row in first.topic_partitions] == [("orders", [0, 1])]


def test_an_election_that_is_refused_as_a_whole_is_raised() -> None:
    answer = electing.ElectLeadersResponse(error_code=31)
    with ScriptedBroker({"ElectLeaders": answer}) as broker, admin(broker) as kafka, pytest.raises(Refused):
        kafka.elect_leaders("PREFERRED", None)


def test_moves_are_begun_and_cancelled() -> None:
    rows = (
        altering.ReassignablePartitionResponse(0, 0, None),
        altering.ReassignablePartitionResponse(1, 85, "No reassignment is in progress."),
    )
    answer = altering.AlterPartitionReassignmentsResponse(
        responses=(altering.ReassignableTopicResponse("orders", rows),), error_message=None
    )
    with ScriptedBroker({"AlterPartitionReassignments": answer}) as broker, admin(broker) as kafka:
        answers = kafka.alter_partition_reassignments({("orders", 0): (2, 3), ("orders", 1): None})
        kafka.alter_partition_reassignments({("orders", 0): (2,)}, allow_factor_change=False)
        assert kafka.alter_partition_reassignments({}) == {}
    assert told(answers) == {("orders", 0): None, ("orders", 1): (85, "No reassignment is in progress.")}
    first, second = broker.asked[1][2], broker.asked[2][2]
    assert [(row.partition_index, row.replicas) for row in first.topics[0].partitions] == [(0, (2, 3)), (1, None)]
    assert (first.allow_replication_factor_change, second.allow_replication_factor_change) == (True, False)


def directories(*results: describing.DescribeLogDirsResult) -> describing.DescribeLogDirsResponse:
    return describing.DescribeLogDirsResponse(results=results)


def known(*brokers: tuple[int, ScriptedBroker]) -> metadata.MetadataResponse:
    rows = [metadata.MetadataResponseBroker(number, *broker.address) for number, broker in brokers]
    return metadata.MetadataResponse(brokers=tuple(rows))


def test_directories_are_asked_of_their_broker() -> None:
    good = describing.DescribeLogDirsResult(
        0,
        "/data/a",
        (describing.DescribeLogDirsTopic("orders", (describing.DescribeLogDirsPartition(3, 100, 7, True),)),),
        1000,
        900,
    )
    bad = describing.DescribeLogDirsResult(56, "/data/b")
    with ScriptedBroker({"DescribeLogDirs": directories(good, bad)}) as second:
        answers = {"Metadata": lambda _: known((2, second))}
        with ScriptedBroker(answers) as first, admin(first) as kafka:
            found = kafka.describe_log_dirs(2)
            with pytest.raises(Unreachable, match="Broker 3 is not in the cluster, or not alive"):
                kafka.describe_log_dirs(3)
    stored = Stored("orders", 3, 100, 7, True)
    assert found[0] == Directory("/data/a", 0, (stored,), 1000, 900)
    assert (found[1].path, found[1].replicas, found[1].error_code) == ("/data/b", (), 56)


def test_a_question_to_one_broker_is_asked_again_there() -> None:
    turns = [HANG_UP, directories()]
    with ScriptedBroker({"DescribeLogDirs": lambda _: turns.pop(0)}) as second:
        answers = {"Metadata": lambda _: known((2, second))}
        with ScriptedBroker(answers) as first, admin(first) as kafka:
            assert kafka.describe_log_dirs(2) == ()
    assert [name for name, _, _ in second.asked].count("DescribeLogDirs") == 2


def test_replicas_move_between_directories() -> None:
    results = (
        placing.AlterReplicaLogDirTopicResult("orders", (placing.AlterReplicaLogDirPartitionResult(0),)),
        placing.AlterReplicaLogDirTopicResult("audit", (placing.AlterReplicaLogDirPartitionResult(1, 57),)),
    )
    answer = placing.AlterReplicaLogDirsResponse(results=results)
    with (
        ScriptedBroker({"AlterReplicaLogDirs": answer}) as second,
        ScriptedBroker({"Metadata": lambda _: known((2, second))}) as first,
        admin(first) as kafka,
    ):
        answers = kafka.alter_replica_log_dirs(2, {("orders", 0): "/b", ("audit", 1): "/a"})
    assert {one: no and no.code for one, no in answers.items()} == {("orders", 0): None, ("audit", 1): 57}
    asked = second.asked[1][2]
    assert [(row.path, row.topics[0].name) for row in asked.dirs] == [("/a", "audit"), ("/b", "orders")]


def test_every_connection_is_closed() -> None:
    with (
        ScriptedBroker({"DescribeLogDirs": directories()}) as second,
        ScriptedBroker({"Metadata": lambda _: known((2, second))}) as first,
        admin(first) as kafka,
    ):
        kafka.describe_log_dirs(2)
        wires = [kafka._wire, *kafka._wires.values()]
    assert all(wire is not None and wire._socket.fileno() == -1 for wire in wires)
