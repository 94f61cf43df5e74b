"""Snapshots: the `.checkpoint` files beside the metadata log.

A snapshot holds an image as records, between a header and a footer that are control records. Its name says where the
log goes on: `<end offset>-<epoch>.checkpoint`, the offset exclusive. It is written under another name first, so a file
with the right name is whole. `bootstrap.checkpoint` is of the same form: what the first controller of a cluster starts
from.

Source: KIP-630.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from server.metadata.record_format import decode, encode
from server.metadata.records import Record
from server.model.errors import Rejected
from server.ports import Buffer, Disk
from server.records import batch, build, control

RECORDS_PER_BATCH = 2_000
BOOTSTRAP = "bootstrap.checkpoint"
PART = ".part"  # of a snapshot that is being fetched; Kafka's suffix, which it cleans away as well

_NAME = re.compile(r"(\d{20})-(\d{10})\.checkpoint")


class SnapshotId(NamedTuple):
    """The log goes on at `end_offset`; the last record that the snapshot covers was written in `epoch`."""

    end_offset: int
    epoch: int

    @property
    def file_name(self) -> str:
        return f"{self.end_offset:020}-{self.epoch:010}.checkpoint"


class Snapshot(NamedTuple):
    """What a file held. `controls` are those between header and footer: the voters, the kraft version."""

    last_timestamp_ms: int
    records: tuple[Record, ...]
    controls: tuple[control.Control, ...]


class Torn(Exception):
    """A snapshot that cannot be used; the text names the file and why."""


class Snapshots:
    """The snapshots in one metadata log's folder."""

    def __init__(self, disk: Disk, folder: str) -> None:
        self._disk, self._folder = disk, folder

    def ids(self) -> list[SnapshotId]:
        """All whole snapshots, oldest first."""
        names = (_NAME.fullmatch(name) for name in self._disk.list(self._folder))
        return sorted(SnapshotId(int(name[1]), int(name[2])) for name in names if name)

    def size(self, id_: SnapshotId) -> int:
        return self._disk.size(self._path(id_))

    def modified_ms(self, id_: SnapshotId) -> int:
        return self._disk.modified_ms(self._path(id_))

    def read(self, id_: SnapshotId) -> Snapshot:
        """Raises Torn."""
        return read(self._disk, self._path(id_))

    def write(
        self,
        id_: SnapshotId,
        records: Sequence[Record],
        controls: Sequence[control.Control],
        metadata_version: int,
        *,
        last_timestamp_ms: int,
        now_ms: int,
    ) -> None:
        times = {"last_timestamp_ms": last_timestamp_ms, "now_ms": now_ms}
        data = file_bytes(records, controls, metadata_version, epoch=id_.epoch, **times)
        self._disk.replace(self._path(id_), data)

    def read_piece(self, id_: SnapshotId, position: int, max_bytes: int) -> tuple[int, bytes]:
        """The file's size, and up to `max_bytes` of it; none where `position` is not inside it."""
        file = self._disk.open(self._path(id_))
        try:
            size = file.size()
            return size, file.pread(min(max_bytes, size - position), position) if position < size else b""
        finally:
            file.close()

    def write_piece(self, id_: SnapshotId, position: int, data: Buffer) -> None:
        """Write a piece of a file that is not whole yet; position 0 begins it anew."""
        path = self._path(id_) + PART
        file = self._disk.open(path, create=True)
        try:
            if position == 0:
                file.truncate(0)
            file.pwritev([data], position)
            file.sync()
        finally:
            file.close()

    def clear_unfinished(self) -> None:
        """Remove what a node that died had fetched of a snapshot."""
        for name in self._disk.list(self._folder):
            if name.endswith(f".checkpoint{PART}"):
                self._disk.remove(f"{self._folder}/{name}")

    def finish(self, id_: SnapshotId) -> Snapshot:
        """Give a file that is whole now its name, durably. Raises Torn: it is not whole, or not sound."""
        path = self._path(id_)
        found = read(self._disk, path + PART)
        self._disk.rename(path + PART, path)
        self._disk.sync_dir(self._folder)
        return found

    def remove(self, id_: SnapshotId) -> None:
        self._disk.remove(self._path(id_))

    def _path(self, id_: SnapshotId) -> str:
        return f"{self._folder}/{id_.file_name}"


def file_bytes(
    records: Sequence[Record],
    controls: Sequence[control.Control],
    metadata_version: int,
    *,
    epoch: int,
    last_timestamp_ms: int,
    now_ms: int,
) -> bytes:
    """A snapshot file: header and `controls`, the records in batches, footer."""
    head = [control.SnapshotHeader(last_timestamp_ms), *controls]
    out = bytearray(control.batch_of(head, leader_epoch=epoch, timestamp_ms=now_ms))
    offset = len(head)
    for start in range(0, len(records), RECORDS_PER_BATCH):
        some = [
            batch.Record(0, now_ms, None, encode(record, metadata_version))
            for record in records[start : start + RECORDS_PER_BATCH]
        ]
        out += build.build(some, base_offset=offset, leader_epoch=epoch)
        offset += len(some)
    out += control.batch_of([control.SnapshotFooter()], base_offset=offset, leader_epoch=epoch, timestamp_ms=now_ms)
    return bytes(out)


def read(disk: Disk, path: str) -> Snapshot:
    """Read one file. Raises Torn: it is no whole snapshot; FileNotFoundError."""
    data = disk.read(path)
    records: list[Record] = []
    controls: list[control.Control] = []
    try:
        for head, record in _walk(data):
            if not head.is_control:
                records.append(decode(record.value or b""))
            elif (said := control.decode(record.key, record.value)) is not None:
                controls.append(said)
    except Rejected as e:
        raise Torn(f"{path}: {e.message}") from e
    if not controls or not isinstance(controls[0], control.SnapshotHeader):
        raise Torn(f"{path}: no snapshot header at its start")
    if not isinstance(controls[-1], control.SnapshotFooter):
        raise Torn(f"{path}: no snapshot footer at its end")
    return Snapshot(controls[0].last_contained_log_timestamp, tuple(records), tuple(controls[1:-1]))


def _walk(data: bytes) -> Iterator[tuple[batch.Header, batch.Record]]:
    at = 0
    while at < len(data):
        head = batch.verify(data, at)
        for record in batch.records(data, at):
            yield head, record
        at += head.size
