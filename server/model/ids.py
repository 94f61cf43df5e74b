"""Names for numbers: the ids and epochs of the protocol, so that a checker tells them apart."""

import base64
from typing import NewType
from uuid import UUID

NodeId = NewType("NodeId", int)
LeaderEpoch = NewType("LeaderEpoch", int)
BrokerEpoch = NewType("BrokerEpoch", int)
RaftEpoch = NewType("RaftEpoch", int)
ProducerId = NewType("ProducerId", int)
TopicId = NewType("TopicId", UUID)
DirectoryId = NewType("DirectoryId", UUID)

ZERO_UUID = UUID(int=0)
UNASSIGNED_DIR = DirectoryId(UUID(int=0))
LOST_DIR = DirectoryId(UUID(int=1))
MIGRATING_DIR = DirectoryId(UUID(int=2))
METADATA_TOPIC = "__cluster_metadata"
METADATA_TOPIC_ID = TopicId(UUID(int=1))
NO_LEADER = NodeId(-1)
# Topics of the coordinators: no client may produce to them.
OFFSETS_TOPIC, TRANSACTIONS_TOPIC = "__consumer_offsets", "__transaction_state"
INTERNAL_TOPICS = frozenset({OFFSETS_TOPIC, TRANSACTIONS_TOPIC, "__share_group_state"})

# Source: KIP-516 and KIP-858; the first hundred ids are kept for such uses.
RESERVED_UUIDS = 100


def uuid_text(value: UUID) -> str:
    """Kafka's form of an id: 22 characters of URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(value.bytes).rstrip(b"=").decode()


def uuid_of(text: str) -> UUID:
    """Read Kafka's form. Raises ValueError: not 16 bytes of URL-safe base64."""
    if len(text) > 24:
        raise ValueError(f"Input string with prefix `{text[:24]}` is too long to be decoded as a base64 UUID")
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if len(raw) != 16:
        raise ValueError(
            f"Input string `{text}` decoded as {len(raw)} bytes, which is not equal to the expected 16 bytes"
            " of a base64-encoded UUID"
        )
    return UUID(bytes=raw)
