"""Control records: what logs say about themselves. Transaction markers, raft's records, the ends of a snapshot.

The key names the type, the value is a small struct of Kafka's own. `encode` and `decode` are each other's inverse;
a type from the future decodes to None, since readers must step over what they do not know.
Source: KIP-98 (markers), KIP-595 (LeaderChange), KIP-630 (snapshots), KIP-853 (KRaftVersion, Voters).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from server.model.errors import ErrorCode, Rejected
from server.model.ids import ZERO_UUID
from server.records import build
from server.records.batch import Record
from server.wire.codec import decoder, encoder
from server.wire.schema import Struct, parse

_KEY = struct.Struct(">hh")  # version 0, type
ABORT, COMMIT, LEADER_CHANGE, SNAPSHOT_HEADER, SNAPSHOT_FOOTER, KRAFT_VERSION, VOTERS = range(7)


@dataclass(frozen=True, slots=True)
class EndTxn:
    """The marker that ends a producer's transaction in one partition."""

    commit: bool
    coordinator_epoch: int


@dataclass(frozen=True, slots=True)
class VoterId:
    voter_id: int
    voter_directory_id: UUID = ZERO_UUID


@dataclass(frozen=True, slots=True)
class LeaderChange:
    """The first record of a raft epoch. Kafka writes and reads version 0 only, which has no directory ids."""

    leader_id: int
    voters: tuple[VoterId, ...]
    granting_voters: tuple[VoterId, ...]
    version: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    last_contained_log_timestamp: int
    version: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotFooter:
    version: int = 0


@dataclass(frozen=True, slots=True)
class KRaftVersion:
    kraft_version: int
    version: int = 0


@dataclass(frozen=True, slots=True)
class VoterEndpoint:
    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SupportedVersions:
    """The kraft.version levels that a voter can take part in, both ends inclusive."""

    min_supported_version: int = 0
    max_supported_version: int = 0


@dataclass(frozen=True, slots=True)
class Voter:
    voter_id: int
    voter_directory_id: UUID
    endpoints: tuple[VoterEndpoint, ...]
    kraft_version_feature: SupportedVersions = field(default_factory=SupportedVersions)


@dataclass(frozen=True, slots=True)
class Voters:
    voters: tuple[Voter, ...]
    version: int = 0


Control = EndTxn | LeaderChange | SnapshotHeader | SnapshotFooter | KRaftVersion | Voters


@dataclass(frozen=True, slots=True)
class _Marker:
    version: int
    coordinator_epoch: int


_MARKER = parse("EndTxnMarker", "version int16, coordinator_epoch int32", _Marker)
_LEADER_CHANGE = (
    parse(
        "LeaderChangeMessage",
        "version int16, leader_id int32, voters compact []{voter_id int32, <tags>},"
        " granting_voters compact []{voter_id int32, <tags>}, <tags>",
        LeaderChange,
        {"voters": VoterId, "granting_voters": VoterId},
    ),
    parse(
        "LeaderChangeMessage",
        "version int16, leader_id int32, voters compact []{voter_id int32, voter_directory_id uuid, <tags>},"
        " granting_voters compact []{voter_id int32, voter_directory_id uuid, <tags>}, <tags>",
        LeaderChange,
        {"voters": VoterId, "granting_voters": VoterId},
    ),
)
_OTHERS: dict[type, tuple[int, Struct]] = {
    SnapshotHeader: (
        SNAPSHOT_HEADER,
        parse("SnapshotHeaderRecord", "version int16, last_contained_log_timestamp int64, <tags>", SnapshotHeader),
    ),
    SnapshotFooter: (SNAPSHOT_FOOTER, parse("SnapshotFooterRecord", "version int16, <tags>", SnapshotFooter)),
    KRaftVersion: (
        KRAFT_VERSION,
        parse("KRaftVersionRecord", "version int16, kraft_version int16, <tags>", KRaftVersion),
    ),
    Voters: (
        VOTERS,
        parse(
            "VotersRecord",
            "version int16, voters compact []{voter_id int32, voter_directory_id uuid,"
            " endpoints compact []{name compact string, host compact string, port uint16, <tags>},"
            " kraft_version_feature {min_supported_version int16, max_supported_version int16, <tags>},"
            " <tags>}, <tags>",
            Voters,
            {"voters": Voter, "endpoints": VoterEndpoint, "kraft_version_feature": SupportedVersions},
        ),
    ),
}
_BY_TYPE = dict(_OTHERS.values())


def encode(control: Control) -> tuple[bytes, bytes]:
    """Give the key and the value of its record."""
    match control:
        case EndTxn(commit, coordinator_epoch):
            kind, layout = (COMMIT if commit else ABORT), _MARKER
            out = bytearray()
            encoder(layout)(_Marker(0, coordinator_epoch), out)
            return _KEY.pack(0, kind), bytes(out)
        case LeaderChange():
            kind, layout = LEADER_CHANGE, _LEADER_CHANGE[min(control.version, 1)]
        case _:
            kind, layout = _OTHERS[type(control)]
    out = bytearray()
    encoder(layout)(control, out)
    return _KEY.pack(0, kind), bytes(out)


def decode(key: bytes | None, value: bytes | None) -> Control | None:
    """Read a record of a control batch; None for a type that this code does not know.

    Raises Rejected(CORRUPT_MESSAGE).
    """
    if key is None or value is None or len(key) < _KEY.size:
        raise Rejected(ErrorCode.CORRUPT_MESSAGE, "A control record lacks its key or its value.")
    _, kind = _KEY.unpack_from(key)
    try:
        if kind in (ABORT, COMMIT):
            marker, _ = decoder(_MARKER)(value, 0)
            return EndTxn(kind == COMMIT, marker.coordinator_epoch)
        if kind == LEADER_CHANGE:
            version = int.from_bytes(value[:2], "big", signed=True)
            layout: Struct | None = _LEADER_CHANGE[1 if version > 0 else 0]
        else:
            layout = _BY_TYPE.get(kind)
        if layout is None:
            return None
        found, _ = decoder(layout)(value, 0)
    except Rejected as error:
        raise Rejected(ErrorCode.CORRUPT_MESSAGE, f"A control record of type {kind} is corrupt: {error}") from error
    assert isinstance(found, Control)
    return found


def batch_of(
    controls: Sequence[Control],
    *,
    base_offset: int = 0,
    leader_epoch: int = -1,
    timestamp_ms: int,
    producer_id: int = -1,
    producer_epoch: int = -1,
    transactional: bool = False,
) -> bytes:
    """Build one control batch that holds these records."""
    return build.build(
        [Record(0, timestamp_ms, *encode(control)) for control in controls],
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        transactional=transactional,
        control=True,
    )
