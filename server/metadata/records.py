"""The records of the metadata log, as values.

One frozen dataclass for each record type of Kafka 4.3; `record_format` has their bytes. Field names and defaults are
Kafka's, snake-cased. In a change record a default means "unchanged": None, NO_LEADER_CHANGE, or 0 of -1, 0, 1.

Source: KIP-631 (records), KIP-516 (topic ids), KIP-858 (directories), KIP-966 (eligible leader replicas), KIP-868
(transactions), KIP-1066 (cordoned directories).
"""

from dataclasses import dataclass
from uuid import UUID

from server.model.ids import (
    NO_LEADER,
    ZERO_UUID,
    BrokerEpoch,
    DirectoryId,
    LeaderEpoch,
    NodeId,
    ProducerId,
    TopicId,
)

NO_LEADER_CHANGE = NodeId(-2)
NO_ID = NodeId(0)
NO_BROKER_EPOCH = BrokerEpoch(-1)
FIRST_BROKER_EPOCH = BrokerEpoch(0)
NO_LEADER_EPOCH = LeaderEpoch(-1)
FIRST_PRODUCER_ID = ProducerId(0)
NO_TOPIC = TopicId(ZERO_UUID)


@dataclass(frozen=True, slots=True)
class EndPoint:
    """One listener of a node. `security_protocol` is 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL."""

    name: str = ""
    host: str = ""
    port: int = 0
    security_protocol: int = 0


@dataclass(frozen=True, slots=True)
class FeatureRange:
    """The levels of a feature that a node can run at; both ends inclusive."""

    name: str = ""
    min_supported_version: int = 0
    max_supported_version: int = 0


@dataclass(frozen=True, slots=True)
class RegisterBrokerRecord:
    broker_id: NodeId = NO_ID
    is_migrating_zk_broker: bool = False
    incarnation_id: UUID = ZERO_UUID
    broker_epoch: BrokerEpoch = FIRST_BROKER_EPOCH
    end_points: tuple[EndPoint, ...] = ()
    features: tuple[FeatureRange, ...] = ()
    rack: str | None = ""
    fenced: bool = True
    in_controlled_shutdown: bool = False
    log_dirs: tuple[DirectoryId, ...] = ()
    cordoned_log_dirs: tuple[DirectoryId, ...] | None = None


@dataclass(frozen=True, slots=True)
class UnregisterBrokerRecord:
    broker_id: NodeId = NO_ID
    broker_epoch: BrokerEpoch = FIRST_BROKER_EPOCH


@dataclass(frozen=True, slots=True)
class TopicRecord:
    name: str = ""
    topic_id: TopicId = NO_TOPIC


@dataclass(frozen=True, slots=True)
class PartitionRecord:
    partition_id: int = -1
    topic_id: TopicId = NO_TOPIC
    replicas: tuple[NodeId, ...] = ()
    isr: tuple[NodeId, ...] = ()
    removing_replicas: tuple[NodeId, ...] = ()
    adding_replicas: tuple[NodeId, ...] = ()
    leader: NodeId = NO_LEADER
    leader_epoch: LeaderEpoch = NO_LEADER_EPOCH
    partition_epoch: int = -1
    directories: tuple[DirectoryId, ...] = ()
    leader_recovery_state: int = 0
    eligible_leader_replicas: tuple[NodeId, ...] | None = None
    last_known_elr: tuple[NodeId, ...] | None = None


@dataclass(frozen=True, slots=True)
class ConfigRecord:
    """Set one key of one resource; value None deletes it. resource_type: see `server.model.settings.ResourceType`."""

    resource_type: int = 0
    resource_name: str = ""
    name: str = ""
    value: str | None = ""


@dataclass(frozen=True, slots=True)
class PartitionChangeRecord:
    """Change one partition; every change bumps its partition epoch, one that names a leader its leader epoch too."""

    partition_id: int = -1
    topic_id: TopicId = NO_TOPIC
    isr: tuple[NodeId, ...] | None = None
    leader: NodeId = NO_LEADER_CHANGE
    replicas: tuple[NodeId, ...] | None = None
    removing_replicas: tuple[NodeId, ...] | None = None
    adding_replicas: tuple[NodeId, ...] | None = None
    leader_recovery_state: int = -1
    directories: tuple[DirectoryId, ...] | None = None
    eligible_leader_replicas: tuple[NodeId, ...] | None = None
    last_known_elr: tuple[NodeId, ...] | None = None


@dataclass(frozen=True, slots=True)
class FenceBrokerRecord:
    id: NodeId = NO_ID
    epoch: BrokerEpoch = FIRST_BROKER_EPOCH


@dataclass(frozen=True, slots=True)
class UnfenceBrokerRecord:
    id: NodeId = NO_ID
    epoch: BrokerEpoch = FIRST_BROKER_EPOCH


@dataclass(frozen=True, slots=True)
class RemoveTopicRecord:
    topic_id: TopicId = NO_TOPIC


@dataclass(frozen=True, slots=True)
class DelegationTokenRecord:
    owner: str = ""
    requester: str = ""
    renewers: tuple[str, ...] = ()
    issue_timestamp: int = 0
    max_timestamp: int = 0
    expiration_timestamp: int = 0
    token_id: str = ""


@dataclass(frozen=True, slots=True)
class UserScramCredentialRecord:
    """mechanism is 1 SCRAM-SHA-256, 2 SCRAM-SHA-512."""

    name: str = ""
    mechanism: int = 0
    salt: bytes = b""
    stored_key: bytes = b""
    server_key: bytes = b""
    iterations: int = 0


@dataclass(frozen=True, slots=True)
class FeatureLevelRecord:
    name: str = ""
    feature_level: int = 0


@dataclass(frozen=True, slots=True)
class QuotaEntity:
    """entity_type is user, client-id or ip; entity_name None is the default of that type."""

    entity_type: str = ""
    entity_name: str | None = ""


@dataclass(frozen=True, slots=True)
class ClientQuotaRecord:
    entity: tuple[QuotaEntity, ...] = ()
    key: str = ""
    value: float = 0.0
    remove: bool = False


@dataclass(frozen=True, slots=True)
class ProducerIdsRecord:
    """The block that ends below next_producer_id belongs to this broker."""

    broker_id: NodeId = NO_ID
    broker_epoch: BrokerEpoch = NO_BROKER_EPOCH
    next_producer_id: ProducerId = FIRST_PRODUCER_ID


@dataclass(frozen=True, slots=True)
class BrokerRegistrationChangeRecord:
    """fenced and in_controlled_shutdown: 1 sets, -1 clears, 0 leaves. Empty log_dirs and None cordoned leave them."""

    broker_id: NodeId = NO_ID
    broker_epoch: BrokerEpoch = FIRST_BROKER_EPOCH
    fenced: int = 0
    in_controlled_shutdown: int = 0
    log_dirs: tuple[DirectoryId, ...] = ()
    cordoned_log_dirs: tuple[DirectoryId, ...] | None = None


@dataclass(frozen=True, slots=True)
class AccessControlEntryRecord:
    id: UUID = ZERO_UUID
    resource_type: int = 0
    resource_name: str = ""
    pattern_type: int = 0
    principal: str = ""
    host: str = ""
    operation: int = 0
    permission_type: int = 0


@dataclass(frozen=True, slots=True)
class RemoveAccessControlEntryRecord:
    id: UUID = ZERO_UUID


@dataclass(frozen=True, slots=True)
class NoOpRecord:
    """Says nothing; the controller writes one when idle, so that offsets keep moving (KIP-835)."""


@dataclass(frozen=True, slots=True)
class ZkMigrationStateRecord:
    zk_migration_state: int = 0


@dataclass(frozen=True, slots=True)
class RemoveUserScramCredentialRecord:
    name: str = ""
    mechanism: int = 0


@dataclass(frozen=True, slots=True)
class BeginTransactionRecord:
    name: str | None = None


@dataclass(frozen=True, slots=True)
class EndTransactionRecord:
    pass


@dataclass(frozen=True, slots=True)
class AbortTransactionRecord:
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveDelegationTokenRecord:
    token_id: str = ""


@dataclass(frozen=True, slots=True)
class RegisterControllerRecord:
    controller_id: NodeId = NO_ID
    incarnation_id: UUID = ZERO_UUID
    zk_migration_ready: bool = False
    end_points: tuple[EndPoint, ...] = ()
    features: tuple[FeatureRange, ...] = ()


@dataclass(frozen=True, slots=True)
class ClearElrRecord:
    """Forget the eligible leader replicas of one topic; the empty name means every topic."""

    topic_name: str = ""


Record = (
    RegisterBrokerRecord
    | UnregisterBrokerRecord
    | TopicRecord
    | PartitionRecord
    | ConfigRecord
    | PartitionChangeRecord
    | FenceBrokerRecord
    | UnfenceBrokerRecord
    | RemoveTopicRecord
    | DelegationTokenRecord
    | UserScramCredentialRecord
    | FeatureLevelRecord
    | ClientQuotaRecord
    | ProducerIdsRecord
    | BrokerRegistrationChangeRecord
    | AccessControlEntryRecord
    | RemoveAccessControlEntryRecord
    | NoOpRecord
    | ZkMigrationStateRecord
    | RemoveUserScramCredentialRecord
    | BeginTransactionRecord
    | EndTransactionRecord
    | AbortTransactionRecord
    | RemoveDelegationTokenRecord
    | RegisterControllerRecord
    | ClearElrRecord
)
