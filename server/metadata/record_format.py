"""The bytes of metadata records: frame version 1, the record's type and version as varints, then its fields.

The texts are the schemas as Kafka prints them. Reading takes every version; writing takes the one that Kafka takes for
the cluster's metadata.version, so that a log written here can be read by the oldest node that the version allows.

Source: KIP-631; KIP-746 (versions); KIP-858, KIP-966, KIP-1066 (what each version added).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from server.metadata import records as r
from server.ports import Buffer
from server.wire.codec import Decoder, Encoder, Malformed, decoder, encoder
from server.wire.primitives import read_uvarint, uvarint
from server.wire.schema import parse

FRAME_VERSION = 1

_END_POINTS = (
    "end_points compact []{name compact string, host compact string, port uint16, security_protocol int16, <tags>}"
)
_FEATURES = "features compact []{name compact string, min_supported_version int16, max_supported_version int16, <tags>}"
_NODE = (
    f"incarnation_id uuid, broker_epoch int64, {_END_POINTS}, {_FEATURES}, rack compact nullable string, fenced boolean"
)
_BROKER = f"broker_id int32, {_NODE}"
_BROKER_2 = f"broker_id int32, is_migrating_zk_broker boolean, {_NODE}, in_controlled_shutdown boolean"
_BROKER_CHANGE = "broker_id int32, broker_epoch int64"
_FENCED = "0: fenced int8"
_SHUTDOWN = f"{_FENCED}, 1: in_controlled_shutdown int8"
_DIRS = f"{_SHUTDOWN}, 2: log_dirs compact []uuid"
_PARTITION = (
    "partition_id int32, topic_id uuid, replicas compact []int32, isr compact []int32, "
    "removing_replicas compact []int32, adding_replicas compact []int32, leader int32, leader_epoch int32, "
    "partition_epoch int32"
)
_CHANGE = "partition_id int32, topic_id uuid"
_CHANGES = (
    "0: isr compact []int32, 1: leader int32, 2: replicas compact []int32, 3: removing_replicas compact []int32, "
    "4: adding_replicas compact []int32, 5: leader_recovery_state int8"
)
_ELRS = "eligible_leader_replicas compact []int32, {}: last_known_elr compact []int32"

FORMATS: dict[type, tuple[int, tuple[str, ...]]] = {
    r.RegisterBrokerRecord: (
        0,
        (
            f"{_BROKER}, <tags>",
            f"{_BROKER}, in_controlled_shutdown boolean, <tags>",
            f"{_BROKER_2}, <tags>",
            f"{_BROKER_2}, <tags 0: log_dirs compact []uuid>",
            f"{_BROKER_2}, <tags 0: log_dirs compact []uuid, 1: cordoned_log_dirs compact []uuid>",
        ),
    ),
    r.UnregisterBrokerRecord: (1, ("broker_id int32, broker_epoch int64, <tags>",)),
    r.TopicRecord: (2, ("name compact string, topic_id uuid, <tags>",)),
    r.PartitionRecord: (
        3,
        (
            f"{_PARTITION}, <tags 0: leader_recovery_state int8>",
            f"{_PARTITION}, directories compact []uuid, <tags 0: leader_recovery_state int8>",
            f"{_PARTITION}, directories compact []uuid, <tags 0: leader_recovery_state int8, 1: {_ELRS.format(2)}>",
        ),
    ),
    r.ConfigRecord: (
        4,
        (
            "resource_type int8, resource_name compact string, name compact string, value compact nullable string, "
            "<tags>",
        ),
    ),
    r.PartitionChangeRecord: (
        5,
        (
            f"{_CHANGE}, <tags {_CHANGES}>",
            f"{_CHANGE}, <tags {_CHANGES}, 8: directories compact []uuid>",
            f"{_CHANGE}, <tags {_CHANGES}, 6: {_ELRS.format(7)}, 8: directories compact []uuid>",
        ),
    ),
    r.FenceBrokerRecord: (7, ("id int32, epoch int64, <tags>",)),
    r.UnfenceBrokerRecord: (8, ("id int32, epoch int64, <tags>",)),
    r.RemoveTopicRecord: (9, ("topic_id uuid, <tags>",)),
    r.DelegationTokenRecord: (
        10,
        (
            "owner compact string, requester compact string, renewers compact []compact string, issue_timestamp int64, "
            "max_timestamp int64, expiration_timestamp int64, token_id compact string, <tags>",
        ),
    ),
    r.UserScramCredentialRecord: (
        11,
        (
            "name compact string, mechanism int8, salt compact bytes, stored_key compact bytes, "
            "server_key compact bytes, iterations int32, <tags>",
        ),
    ),
    r.FeatureLevelRecord: (12, ("name compact string, feature_level int16, <tags>",)),
    r.ClientQuotaRecord: (
        14,
        (
            "entity compact []{entity_type compact string, entity_name compact nullable string, <tags>}, "
            "key compact string, value float64, remove boolean, <tags>",
        ),
    ),
    r.ProducerIdsRecord: (15, ("broker_id int32, broker_epoch int64, next_producer_id int64, <tags>",)),
    r.BrokerRegistrationChangeRecord: (
        17,
        (
            f"{_BROKER_CHANGE}, <tags {_FENCED}>",
            f"{_BROKER_CHANGE}, <tags {_SHUTDOWN}>",
            f"{_BROKER_CHANGE}, <tags {_DIRS}>",
            f"{_BROKER_CHANGE}, <tags {_DIRS}, 3: cordoned_log_dirs compact []uuid>",
        ),
    ),
    r.AccessControlEntryRecord: (
        18,
        (
            "id uuid, resource_type int8, resource_name compact string, pattern_type int8, principal compact string, "
            "host compact string, operation int8, permission_type int8, <tags>",
        ),
    ),
    r.RemoveAccessControlEntryRecord: (19, ("id uuid, <tags>",)),
    r.NoOpRecord: (20, ("<tags>",)),
    r.ZkMigrationStateRecord: (21, ("zk_migration_state int8, <tags>",)),
    r.RemoveUserScramCredentialRecord: (22, ("name compact string, mechanism int8, <tags>",)),
    r.BeginTransactionRecord: (23, ("<tags 0: name compact nullable string>",)),
    r.EndTransactionRecord: (24, ("<tags>",)),
    r.AbortTransactionRecord: (25, ("<tags 0: reason compact nullable string>",)),
    r.RemoveDelegationTokenRecord: (26, ("token_id compact string, <tags>",)),
    r.RegisterControllerRecord: (
        27,
        (f"controller_id int32, incarnation_id uuid, zk_migration_ready boolean, {_END_POINTS}, {_FEATURES}, <tags>",),
    ),
    r.ClearElrRecord: (28, ("topic_name compact string, <tags>",)),
}
_NESTED: dict[str, Callable[..., Any]] = {
    "end_points": r.EndPoint,
    "features": r.FeatureRange,
    "entity": r.QuotaEntity,
}
_TYPES: dict[int, type] = {type_id: record for record, (type_id, _) in FORMATS.items()}


def version_of(record: r.Record, metadata_version: int) -> int:
    """The version that Kafka writes this record in."""
    match record:
        case r.RegisterBrokerRecord():
            return sum(metadata_version >= level for level in (7, 8, 17, 30))
        case r.PartitionRecord() | r.PartitionChangeRecord():
            return sum(metadata_version >= level for level in (17, 23))
        case r.BrokerRegistrationChangeRecord():
            if record.cordoned_log_dirs is not None:
                return 3
            return 2 if record.log_dirs else 1 if record.in_controlled_shutdown else 0
        case _:
            return 0


def encode(record: r.Record, metadata_version: int) -> bytes:
    return encode_as(record, version_of(record, metadata_version))


def encode_as(record: r.Record, version: int) -> bytes:
    """The bytes of a record in one version; what that version has no room for is left out."""
    out = bytearray()
    for number in (FRAME_VERSION, FORMATS[type(record)][0], version):
        out += uvarint(number)
    _codec(FORMATS[type(record)][0], version)[0](record, out)
    return bytes(out)


def decode(value: Buffer) -> r.Record:
    return decode_with_version(value)[0]


def decode_with_version(value: Buffer) -> tuple[r.Record, int]:
    """Read one record's value, and say which version it has.

    Raises Malformed: another frame version, an unknown type or version, truncated, or bytes left over.
    """
    frame, at = read_uvarint(value, 0)
    if frame != FRAME_VERSION:
        raise Malformed(f"a metadata record has the unknown frame version {frame}")
    type_id, at = read_uvarint(value, at)
    version, at = read_uvarint(value, at)
    record_type = _TYPES.get(type_id)
    if record_type is None or version >= len(FORMATS[record_type][1]):
        raise Malformed(f"a metadata record has the unknown type {type_id} or version {version}")
    record, at = _codec(type_id, version)[1](value, at)
    if at != len(value):
        raise Malformed(f"{len(value) - at} bytes follow a metadata record")
    found: r.Record = record
    return found, version


@cache
def _codec(type_id: int, version: int) -> tuple[Encoder, Decoder]:
    record_type = _TYPES[type_id]
    struct = parse(record_type.__name__, FORMATS[record_type][1][version], record_type, _NESTED)
    return encoder(struct), decoder(struct)
