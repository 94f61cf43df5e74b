"""Offsets over sockets: leaders are asked, and asked for again when they have moved."""

import pytest

from kcli.client import routing
from kcli.errors import Refused, Unreachable
from kcli.model.offsets import MAX_TIMESTAMP, Position
from server.wire.messages import delete_records as deleting
from server.wire.messages import list_offsets as listing
from server.wire.messages import metadata
from tests.support.scripted import HANG_UP, ScriptedBroker
from tests.unit.kcli.client.test_admin import admin


def led(broker: ScriptedBroker, *leaders: int, alive: int = 1) -> metadata.MetadataResponse:
    """A cluster of one broker, and topic t whose partitions have these leaders; -1: none."""
    host, port = broker.address
    rows = tuple(
        metadata.MetadataResponsePartition(partition_index=index, leader_id=leader)
        for index, leader in enumerate(leaders)
    )
    topic = metadata.MetadataResponseTopic(name="t", partitions=rows)
    return metadata.MetadataResponse(
        brokers=(metadata.MetadataResponseBroker(node_id=alive, host=host, port=port),), topics=(topic,)
    )


def answer(*rows: listing.ListOffsetsPartitionResponse) -> listing.ListOffsetsResponse:
    return listing.ListOffsetsResponse(topics=(listing.ListOffsetsTopicResponse("t", rows),))


def row(index: int, code: int = 0, *, time: int = -1, offset: int = -1) -> listing.ListOffsetsPartitionResponse:
    return listing.ListOffsetsPartitionResponse(index, code, time, offset, 7)


def told(answers: object) -> object:
    assert isinstance(answers, dict)
    return {one: found.code if isinstance(found, Refused) else found for one, found in answers.items()}


def test_each_partition_is_answered_for() -> None:
    answers = {"Metadata": lambda _: led(broker, 1, 1, 1), "ListOffsets": answer(row(0, offset=5), row(1, 1), row(2))}
    with ScriptedBroker(answers) as broker, admin(broker) as kafka:
        wanted = {("t", 0): -1, ("t", 1): -1, ("t", 2): 9, ("t", 3): -1}
        found = kafka.list_offsets(wanted)
    assert told(found) == {("t", 0): Position(5, -1, 7), ("t", 1): 1, ("t", 2): Position(-1, -1, 7), ("t", 3): 3}
    asked = broker.asked[-1][2]
    assert (asked.replica_id, asked.isolation_level) == (-1, 0)
    assert [(r.partition_index, r.timestamp) for r in asked.topics[0].partitions] == [(0, -1), (1, -1), (2, 9)]


def test_a_leader_that_moved_is_asked_for_again() -> None:
    turns = iter([answer(row(0, 6)), answer(row(0, offset=3))])
    answers = {"Metadata": lambda _: led(broker, 1), "ListOffsets": lambda _: next(turns)}
    with ScriptedBroker(answers) as broker, admin(broker) as kafka:
        assert told(kafka.list_offsets({("t", 0): -1})) == {("t", 0): Position(3, -1, 7)}
    assert [name for name, *_ in broker.asked].count("Metadata") == 2


def test_patience_with_a_partition_without_leader_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "PATIENCE_S", 0.1)
    with ScriptedBroker({"Metadata": lambda _: led(broker, -1)}) as broker, admin(broker) as kafka:
        assert told(kafka.list_offsets({("t", 0): -1})) == {("t", 0): 5}


def test_an_old_broker_is_not_asked_for_what_it_does_not_know() -> None:
    answers = {"Metadata": lambda _: led(broker, 1), "ListOffsets": answer(row(0))}
    versions = {"Metadata": (0, 12), "ListOffsets": (1, 6)}
    with ScriptedBroker(answers, versions) as broker, admin(broker) as kafka:
        assert told(kafka.list_offsets({("t", 0): MAX_TIMESTAMP})) == {("t", 0): 35}
    assert "ListOffsets" not in [name for name, *_ in broker.asked]


def test_records_are_deleted_at_leaders() -> None:
    rows = (deleting.DeleteRecordsPartitionResult(0, 4, 0), deleting.DeleteRecordsPartitionResult(1, -1, 1))
    result = deleting.DeleteRecordsResponse(topics=(deleting.DeleteRecordsTopicResult("t", rows),))
    with (
        ScriptedBroker({"Metadata": lambda _: led(broker, 1, 1), "DeleteRecords": result}) as broker,
        admin(broker) as kafka,
    ):
        assert told(kafka.delete_records({("t", 0): 4, ("t", 1): 9})) == {("t", 0): 4, ("t", 1): 1}
    assert [(r.partition_index, r.offset) for r in broker.asked[-1][2].topics[0].partitions] == [(0, 4), (1, 9)]


def test_a_deletion_that_may_have_been_done_is_not_asked_for_again() -> None:
    answers = {"Metadata": lambda _: led(broker, 1), "DeleteRecords": HANG_UP}
    with ScriptedBroker(answers) as broker, admin(broker) as kafka, pytest.raises(Unreachable, match="DeleteRecords"):
        kafka.delete_records({("t", 0): 4})
    assert [name for name, *_ in broker.asked].count("DeleteRecords") == 1
