"""Metadata logs and snapshots that Apache Kafka 4.3.1 wrote: `kafka/*.log`, `kafka/*.checkpoint`."""

from collections.abc import Iterator
from pathlib import Path

from server.metadata.loader import Loader, Published
from server.metadata.record_format import decode
from server.metadata.records import Record
from server.records import batch

FILES = sorted((Path(__file__).parent / "kafka").iterdir())
LOGS = [path for path in FILES if path.suffix == ".log"]
SNAPSHOT = next(path for path in FILES if "0211" in path.name)
BOOTSTRAP = next(path for path in FILES if path.name == "bootstrap.checkpoint")


def values(path: Path) -> Iterator[tuple[batch.Header, list[bytes]]]:
    """Each batch's header, and its records' values; none of a control batch."""
    data = path.read_bytes()
    for at, header in batch.headers(data):
        found = [] if header.is_control else [bytes(each.value or b"") for each in batch.records(data, at)]
        yield header, found


def records(path: Path) -> list[Record]:
    return [decode(value) for _, found in values(path) for value in found]


def load(path: Path, loader: Loader) -> list[Published]:
    """Give a whole log to a loader, batch by batch."""
    published = []
    for header, found in values(path):
        at = header.base_offset if found else header.last_offset
        decoded = [decode(value) for value in found]
        published += loader.batch(at, header.partition_leader_epoch, header.max_timestamp, decoded)
    return published
