"""Logs for tests: on a memory disk, with batches made in one line."""

from typing import Any
from uuid import UUID

from server.log.disk import OsDisk
from server.log.log import Log
from server.model.log_settings import LogSettings
from server.records import build
from server.records.batch import Record
from tests.sim.disk import MemoryDisk

NOW = 1_700_000_000_000
FOLDER = "/data/t-0"
ABORT, COMMIT = 0, 1


class FixedClock:
    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    def timestamp_ms(self) -> int:
        return NOW + self.ms


class CountingRng:
    """Draws 0, and ids that count up."""

    def __init__(self) -> None:
        self._drawn = 1 << 70

    def below(self, stop: int) -> int:
        return 0

    def uuid(self) -> UUID:
        self._drawn += 1
        return UUID(int=self._drawn)


def new_disk() -> MemoryDisk:
    disk = MemoryDisk(lambda: NOW)
    disk.make_dirs("/data")
    disk.sync_dir("/")
    return disk


def open_log(disk: MemoryDisk | OsDisk, folder: str = FOLDER, **given: Any) -> Log:
    """Open a log; settings by name, what Log.open takes too, everything else as for a first start."""
    names = (
        "recovery_point",
        "log_start_offset",
        "clean_shutdown",
        "now_ms",
        "timestamp_ms",
        "topic_id",
        "files",
        "owner",
        "jitter",
    )
    settings = LogSettings(**{name: value for name, value in given.items() if name not in names})
    defaults = {
        "recovery_point": 0,
        "log_start_offset": 0,
        "clean_shutdown": False,
        "now_ms": 0,
        "timestamp_ms": NOW,
    }
    opened: dict[str, Any] = {**defaults, **{name: given[name] for name in names if name in given}}
    return Log.open(disk, folder, settings, **opened)


def reopened(log: Log, disk: MemoryDisk | OsDisk, *, clean: bool, **given: Any) -> Log:
    """The same log as another process finds it: after a clean stop, or after a kill."""
    if clean:
        log.close()
    return open_log(
        disk,
        log.path,
        recovery_point=log.recovery_point,
        log_start_offset=log.log_start_offset,
        clean_shutdown=clean,
        **given,
    )


def records(
    count: int = 1, *, size: int = 20, at: int = NOW, step: int = 0, key: bytes | None = None, **given: Any
) -> bytearray:
    """A batch of `count` records of `size` bytes, from time `at` on, `step` ms apart; more as for build."""
    values = [Record(0, at + step * n, key, bytes([65 + n % 26]) * size) for n in range(count)]
    return bytearray(build.build(values, **given))


def idempotent(producer_id: int, sequence: int, count: int = 1, epoch: int = 0, **given: Any) -> bytearray:
    return records(count, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence, **given)


def marker(producer_id: int, kind: int, epoch: int = 0, coordinator_epoch: int = 0, at: int = NOW) -> bytearray:
    key, value = b"\0\0" + kind.to_bytes(2, "big"), b"\0\0" + coordinator_epoch.to_bytes(4, "big")
    return bytearray(
        build.build(
            [Record(0, at, key, value)],
            producer_id=producer_id,
            producer_epoch=epoch,
            transactional=True,
            control=True,
        )
    )


def content(log: Log) -> bytes:
    """Every byte of the log from its start on, read as a consumer does."""
    found, offset = bytearray(), log.log_start_offset
    while offset < log.leo:
        part = log.read(offset, 1 << 20, log.leo)
        assert part.next_offset > offset
        found += part.data
        offset = part.next_offset
    return bytes(found)
