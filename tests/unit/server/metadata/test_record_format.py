from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.metadata import record_format
from server.metadata import records as r
from server.metadata.record_format import FORMATS, decode, decode_with_version, encode, encode_as, version_of
from server.model.ids import BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, ProducerId, TopicId
from server.wire.codec import Malformed
from tests.unit.server.metadata.kafka_files import FILES, values

TOPIC = TopicId(UUID(int=7))
DIRS = (DirectoryId(UUID(int=101)), DirectoryId(UUID(int=102)))
ONE, TWO = NodeId(1), NodeId(2)
ALL_TYPES = get_args(r.Record)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_kafka_wrote_is_read_and_written_back_byte_by_byte(path: Path) -> None:
    found = [value for _, batch in values(path) for value in batch]
    assert found
    for value in found:
        record, version = decode_with_version(value)
        assert encode_as(record, version) == value, record
        assert encode(record, metadata_version=30) == value, record


def test_every_record_type_has_a_format_of_its_own() -> None:
    assert set(FORMATS) == set(ALL_TYPES)
    assert len({type_id for type_id, _ in FORMATS.values()}) == len(ALL_TYPES)


# All fields set, and nothing at its default, so that a forgotten field shows.
FULL: tuple[r.Record, ...] = (
    r.RegisterBrokerRecord(
        ONE, True, UUID(int=9), BrokerEpoch(5), (r.EndPoint("L", "h", 65535, 1),), (r.FeatureRange("f", 1, 2),), "r",
        False, True, DIRS, DIRS[:1],
    ),
    r.UnregisterBrokerRecord(ONE, BrokerEpoch(5)),
    r.TopicRecord("t", TOPIC),
    r.PartitionRecord(
        3, TOPIC, (ONE, TWO), (ONE,), (TWO,), (ONE, TWO), ONE, LeaderEpoch(4), 6, DIRS, 1, (TWO,), (ONE,)
    ),
    r.ConfigRecord(2, "t", "k", None),
    r.PartitionChangeRecord(3, TOPIC, (ONE,), TWO, (TWO,), (), (ONE,), 1, DIRS, (), (TWO,)),
    r.FenceBrokerRecord(ONE, BrokerEpoch(5)),
    r.UnfenceBrokerRecord(ONE, BrokerEpoch(5)),
    r.RemoveTopicRecord(TOPIC),
    r.DelegationTokenRecord("o", "q", ("a", "b"), 1, 2, 3, "id"),
    r.UserScramCredentialRecord("u", 1, b"salt", b"stored", b"server", 4096),
    r.FeatureLevelRecord("f", 2),
    r.ClientQuotaRecord((r.QuotaEntity("user", None), r.QuotaEntity("client-id", "c")), "k", 1.5, True),
    r.ProducerIdsRecord(ONE, BrokerEpoch(5), ProducerId(1000)),
    r.BrokerRegistrationChangeRecord(ONE, BrokerEpoch(5), -1, 1, DIRS, DIRS[:1]),
    r.AccessControlEntryRecord(UUID(int=3), 2, "t", 3, "User:u", "*", 4, 5),
    r.RemoveAccessControlEntryRecord(UUID(int=3)),
    r.NoOpRecord(),
    r.ZkMigrationStateRecord(2),
    r.RemoveUserScramCredentialRecord("u", 2),
    r.BeginTransactionRecord("n"),
    r.EndTransactionRecord(),
    r.AbortTransactionRecord("why"),
    r.RemoveDelegationTokenRecord("id"),
    r.RegisterControllerRecord(ONE, UUID(int=9), True, (r.EndPoint("L", "h", 1, 0),), (r.FeatureRange("f", 0, 3),)),
    r.ClearElrRecord("t"),
)  # fmt: skip


@pytest.mark.parametrize("record", FULL, ids=lambda record: type(record).__name__)
def test_the_newest_version_keeps_every_field(record: r.Record) -> None:
    newest = len(FORMATS[type(record)][1]) - 1
    for each in fields(record):
        assert getattr(record, each.name) != getattr(type(record)(), each.name), each.name
    assert decode_with_version(encode_as(record, newest)) == (record, newest)


@pytest.mark.parametrize("record", [record() for record in ALL_TYPES], ids=lambda record: type(record).__name__)
def test_defaults_survive_in_every_version(record: r.Record) -> None:
    for version in range(len(FORMATS[type(record)][1])):
        assert decode_with_version(encode_as(record, version)) == (record, version)


def test_an_old_version_leaves_out_what_it_has_no_room_for() -> None:
    new = next(record for record in FULL if isinstance(record, r.RegisterBrokerRecord))
    old = replace(new, is_migrating_zk_broker=False, in_controlled_shutdown=False, log_dirs=(), cordoned_log_dirs=None)
    assert decode(encode_as(new, 0)) == old
    partition = next(record for record in FULL if isinstance(record, r.PartitionRecord))
    older = replace(partition, directories=(), eligible_leader_replicas=None, last_known_elr=None)
    assert decode(encode_as(partition, 0)) == older


@pytest.mark.parametrize(
    ("record", "versions"),
    [
        (r.RegisterBrokerRecord(), {7: 1, 8: 2, 16: 2, 17: 3, 29: 3, 30: 4}),
        (r.PartitionRecord(), {7: 0, 16: 0, 17: 1, 22: 1, 23: 2, 30: 2}),
        (r.PartitionChangeRecord(), {7: 0, 16: 0, 17: 1, 22: 1, 23: 2, 30: 2}),
        (r.BrokerRegistrationChangeRecord(fenced=1), {30: 0}),
        (r.BrokerRegistrationChangeRecord(in_controlled_shutdown=1), {30: 1}),
        (r.BrokerRegistrationChangeRecord(log_dirs=DIRS), {30: 2}),
        (r.BrokerRegistrationChangeRecord(cordoned_log_dirs=()), {30: 3}),
        (r.TopicRecord(), {7: 0, 30: 0}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_version_written_follows_the_metadata_version(record: r.Record, versions: dict[int, int]) -> None:
    """MetadataVersion.registerBrokerRecordVersion and its like, asked of Kafka 4.3.1."""
    assert {level: version_of(record, level) for level in versions} == versions


def test_a_nullable_field_tells_null_from_empty() -> None:
    change = r.PartitionChangeRecord(0, TOPIC, isr=(), eligible_leader_replicas=None)
    assert decode(encode(change, 30)) == change


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (b"", "varint"),
        (b"\x02\x14\x00\x00", "frame version 2"),
        (b"\x01\x06\x00\x00", "unknown type 6"),
        (b"\x01\x14\x01\x00", "type 20 or version 1"),
        (b"\x01\x14\x00\x00\x00", "1 bytes follow"),
        (b"\x01\x02\x00\x02t", "ends before|TopicRecord|topic_id"),
    ],
)
def test_bytes_that_are_no_record_are_refused(value: bytes, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        decode(value)


@given(st.sampled_from(FULL), st.data())
def test_a_torn_record_is_refused_and_never_read_as_another(record: r.Record, data: Any) -> None:
    whole = encode_as(record, len(FORMATS[type(record)][1]) - 1)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Malformed):
        decode(whole[:cut])


def test_formats_are_compiled_once() -> None:
    assert record_format._codec(2, 0) is record_format._codec(2, 0)
