"""Control records, both ways."""

from uuid import UUID

import pytest

from server.model.errors import Rejected
from server.records import batch, control
from server.records.control import (
    EndTxn,
    KRaftVersion,
    LeaderChange,
    SnapshotFooter,
    SnapshotHeader,
    SupportedVersions,
    Voter,
    VoterEndpoint,
    VoterId,
    Voters,
)

ONE, TWO = UUID(int=1), UUID(int=2)
ALL: list[control.Control] = [
    EndTxn(True, 3),
    EndTxn(False, 0),
    LeaderChange(1, (VoterId(1), VoterId(2)), (VoterId(1),)),
    LeaderChange(1, (VoterId(1, ONE), VoterId(2, TWO)), (VoterId(2, TWO),), version=1),
    SnapshotHeader(1_700_000_000_000),
    SnapshotFooter(),
    KRaftVersion(1),
    Voters((Voter(1, ONE, (VoterEndpoint("CONTROLLER", "h", 9093),), SupportedVersions(0, 1)), Voter(2, TWO, ()))),
]


@pytest.mark.parametrize("record", ALL, ids=lambda record: type(record).__name__)
def test_what_was_encoded_is_decoded(record: control.Control) -> None:
    assert control.decode(*control.encode(record)) == record


def test_the_bytes_are_kafkas() -> None:
    """Read from a metadata log that Apache Kafka 4.3.1 wrote."""
    change = LeaderChange(0, (VoterId(0),), (VoterId(0),))
    assert [part.hex() for part in control.encode(change)] == ["00000002", "00000000000002000000000002000000000000"]
    assert [part.hex() for part in control.encode(EndTxn(True, 0))] == ["00000001", "000000000000"]


def test_a_type_from_the_future_is_passed_over() -> None:
    assert control.decode(b"\x00\x00\x00\x63", b"whatever") is None


@pytest.mark.parametrize(("key", "value"), [(None, b""), (b"\0\0\0\1", None), (b"\0", b""), (b"\0\0\0\2", b"\0")])
def test_broken_control_records_are_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(Rejected, match="CORRUPT_MESSAGE"):
        control.decode(key, value)


def test_a_control_batch_says_so() -> None:
    data = control.batch_of(ALL[:2], base_offset=5, leader_epoch=2, timestamp_ms=9, producer_id=7, producer_epoch=1)
    head = batch.verify(data)
    assert (head.is_control, head.base_offset, head.partition_leader_epoch, head.producer_id) == (True, 5, 2, 7)
    assert [control.decode(record.key, record.value) for record in batch.records(data)] == ALL[:2]
