"""The small text files of a log directory: checkpoints of offsets and epochs, partition.metadata, the clean mark.

Kafka's own formats. A checkpoint is a version line, a line with the number of rows, and the rows.
Every parse raises ValueError for what it cannot read.
"""

import json
from collections.abc import Iterable
from uuid import UUID

from server.model.ids import ZERO_UUID, uuid_of, uuid_text

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
HIGH_WATERMARKS = "replication-offset-checkpoint"
LOG_STARTS = "log-start-offset-checkpoint"
CLEANED = "cleaner-offset-checkpoint"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
VERSION = "0"
MAX_ROWS = 10_000_000

PartitionName = tuple[str, int]


def format_offsets(offsets: Iterable[tuple[str, int, int]]) -> bytes:
    """Write (topic, partition, offset) rows."""
    return _format(f"{topic} {partition} {offset}" for topic, partition, offset in offsets)


def parse_offsets(data: bytes) -> dict[PartitionName, int]:
    found = {}
    for row in _parse(data):
        topic, partition, offset = row
        found[topic, int(partition)] = int(offset)
    return found


def format_epochs(epochs: Iterable[tuple[int, int]]) -> bytes:
    """Write (leader epoch, its first offset) rows."""
    return _format(f"{epoch} {start}" for epoch, start in epochs)


def parse_epochs(data: bytes) -> list[tuple[int, int]]:
    found = []
    for row in _parse(data):
        epoch, start = row
        found.append((int(epoch), int(start)))
    return found


def _format(rows: Iterable[str]) -> bytes:
    lines = list(rows)
    return "".join(f"{line}\n" for line in (VERSION, len(lines), *lines)).encode()


def _parse(data: bytes) -> Iterable[list[str]]:
    lines = data.decode("utf-8").splitlines()
    if len(lines) < 2:
        raise ValueError("a checkpoint has a version line and a line with the number of its rows")
    if lines[0].strip() != VERSION:
        raise ValueError(f"unknown checkpoint version {lines[0][:20]!r}")
    count = int(lines[1])
    rows = [line.split() for line in lines[2:] if line.strip()]
    if count != len(rows) or count > MAX_ROWS:
        raise ValueError(f"a checkpoint says {count} rows and has {len(rows)}")
    return rows


def format_partition_metadata(topic_id: UUID) -> bytes:
    return f"version: 0\ntopic_id: {uuid_text(topic_id)}".encode()


def parse_partition_metadata(data: bytes) -> UUID:
    fields = dict(line.split(": ", 1) for line in data.decode("utf-8").splitlines() if line)
    if fields.get("version") != VERSION:
        raise ValueError(f"unknown version {fields.get('version')!r} of partition.metadata")
    topic_id = uuid_of(fields.get("topic_id", "").strip())
    if topic_id == ZERO_UUID:
        raise ValueError("partition.metadata holds the zero topic id")
    return topic_id


def format_clean_shutdown(broker_epoch: int) -> bytes:
    return json.dumps({"version": 0, "brokerEpoch": broker_epoch}, separators=(",", ":")).encode()


def parse_clean_shutdown(data: bytes) -> int:
    """Read the broker epoch at the stop; -1 where the file does not say, for its presence is what counts."""
    try:
        return int(json.loads(data)["brokerEpoch"])
    except (ValueError, KeyError, TypeError):
        return -1
