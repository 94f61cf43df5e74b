"""Offsets over sockets: leaders are asked, and asked for again when they have moved."""

import pytest

from kcli.client import routing
from kcli.errors import Refused, Unreachable
from kcli.model.offsets import MAX_TIMESTAMP, Position
from server.wire.messages import delete_records as deleting
from server.wire.messages import fetch as fetching
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
    with (
        ScriptedBroker({"ListOffsets": answer(row(0, offset=5), row(1, 1), row(2))}) as leader,
        ScriptedBroker({"Metadata": lambda _: led(leader, 1, 1, 1)}) as first,
        admin(first) as kafka,
    ):
        found = kafka.list_offsets({("t", 0): -1, ("t", 1): -1, ("t", 2): 9, ("t", 3): -1})
    assert told(found) == {("t", 0): Position(5, -1, 7), ("t", 1): 1, ("t", 2): Position(-1, -1, 7), ("t", 3): 3}
    asked = leader.asked[-1][2]
    assert (asked.replica_id, asked.isolation_level) == (-1, 0)
    assert [(r.partition_index, r.timestamp) for r in asked.topics[0].partitions] == [(0, -1), (1, -1), (2, 9)]


def test_a_leader_that_moved_is_asked_for_again() -> None:
    turns = [answer(row(0, 6)), answer(row(0, offset=3))]
    with (
        ScriptedBroker({"ListOffsets": lambda _: turns.pop(0)}) as leader,
        ScriptedBroker({"Metadata": lambda _: led(leader, 1)}) as first,
        admin(first) as kafka,
    ):
        assert told(kafka.list_offsets({("t", 0): -1})) == {("t", 0): Position(3, -1, 7)}
    assert [name for name, *_ in first.asked].count("Metadata") == 2


def test_patience_with_a_partition_without_leader_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "PATIENCE_S", 0.1)
    with (
        ScriptedBroker({"ListOffsets": answer()}) as leader,
        ScriptedBroker({"Metadata": lambda _: led(leader, -1)}) as first,
        admin(first) as kafka,
    ):
        assert told(kafka.list_offsets({("t", 0): -1})) == {("t", 0): 5}
    assert leader.asked == []


def test_an_old_broker_is_not_asked_for_what_it_does_not_know() -> None:
    with (
        ScriptedBroker({"ListOffsets": answer(row(0))}, {"ListOffsets": (1, 6)}) as leader,
        ScriptedBroker({"Metadata": lambda _: led(leader, 1)}) as first,
        admin(first) as kafka,
    ):
        assert told(kafka.list_offsets({("t", 0): MAX_TIMESTAMP})) == {("t", 0): 35}
    assert [name for name, *_ in leader.asked] == ["ApiVersions"]


def test_records_are_deleted_at_leaders() -> None:
    rows = (deleting.DeleteRecordsPartitionResult(0, 4, 0), deleting.DeleteRecordsPartitionResult(1, -1, 1))
    result = deleting.DeleteRecordsResponse(topics=(deleting.DeleteRecordsTopicResult("t", rows),))
    with (
        ScriptedBroker({"DeleteRecords": result}) as leader,
        ScriptedBroker({"Metadata": lambda _: led(leader, 1, 1)}) as first,
        admin(first) as kafka,
    ):
        assert told(kafka.delete_records({("t", 0): 4, ("t", 1): 9})) == {("t", 0): 4, ("t", 1): 1}
    assert [(r.partition_index, r.offset) for r in leader.asked[-1][2].topics[0].partitions] == [(0, 4), (1, 9)]


def test_a_deletion_that_may_have_been_done_is_not_asked_for_again() -> None:
    with (
        ScriptedBroker({"DeleteRecords": HANG_UP}) as leader,
        ScriptedBroker({"Metadata": lambda _: led(leader, 1)}) as first,
        admin(first) as kafka,
        pytest.raises(Unreachable, match="DeleteRecords"),
    ):
        kafka.delete_records({("t", 0): 4})
    assert [name for name, *_ in leader.asked].count("DeleteRecords") == 1


def test_records_are_read_where_the_leader_is() -> None:
    rows = (fetching.PartitionData(0, records=b"abc"), fetching.PartitionData(1, 1, records=b""))
    answer = fetching.FetchResponse(responses=(fetching.FetchableTopicResponse("t", partitions=rows),))
    with (
        ScriptedBroker({"Fetch": answer}) as leader,
        ScriptedBroker({"Metadata": lambda _: led(leader, 1, 1)}) as first,
        admin(first) as kafka,
    ):
        assert told(kafka.read_records({("t", 0): 7, ("t", 1): 8})) == {("t", 0): b"abc", ("t", 1): 1}
    _, version, asked = leader.asked[-1]
    assert (version, asked.max_wait_ms, asked.session_epoch) == (12, 0, -1)
    assert [(row.partition, row.fetch_offset) for row in asked.topics[0].partitions] == [(0, 7), (1, 8)]
