"""The open segment files of a node: at most a given number, the longest unused one closed first."""

from typing import Protocol

from server.ports import Disk, File

# One file for each segment in use. A node with more busy partitions than this opens and closes at each turn (~10 us).
MAX_OPEN_FILES = 512


class Opened(Protocol):
    """What owns an open file."""

    log_path: str

    def closed(self) -> None:
        """The file was closed to make room: what can be had again from disk may be forgotten."""
        ...


class OpenFiles:
    def __init__(self, disk: Disk, limit: int = MAX_OPEN_FILES) -> None:
        self.disk = disk
        self._limit = limit
        self._used: dict[Opened, File] = {}  # the longest unused first

    def file(self, owner: Opened) -> File:
        """The owner's file, opened if need be. Raises OSError."""
        file = self._used.pop(owner, None)
        if file is None:
            while len(self._used) >= self._limit:
                oldest = next(iter(self._used))
                self._used.pop(oldest).close()
                oldest.closed()
            file = self.disk.open(owner.log_path)
        self._used[owner] = file
        return file

    def close(self, owner: Opened) -> None:
        file = self._used.pop(owner, None)
        if file is not None:
            file.close()

    def __len__(self) -> int:
        return len(self._used)
