"""The real disk: server/ports.Disk over the operating system's files.

Source: open(2), pwritev(2), fsync(2): a file's name survives a power cut only after fsync of its folder.
"""

import ctypes
import fcntl
import os
import shutil
import stat
from collections.abc import Sequence

from server.ports import Buffer

MAX_BUFFERS = 1024  # what one pwritev takes (IOV_MAX)
_FLAGS = os.O_RDWR | os.O_CLOEXEC
_sync_data = getattr(os, "fdatasync", os.fsync)


def _sync_volume(fd: int) -> None:
    """syncfs(2), which Python lacks; elsewhere than on Linux, sync(2)."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None:
        os.sync()
    elif function(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class OsFile:
    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def pread(self, size: int, offset: int) -> bytes:
        data = os.pread(self._fd, size, offset)
        if len(data) < size and data:
            return self._read_on(data, size, offset)
        return data

    def _read_on(self, data: bytes, size: int, offset: int) -> bytes:
        """A read may be short within a file too; then the rest follows."""
        parts, have = [data], len(data)
        while have < size and (more := os.pread(self._fd, size - have, offset + have)):
            parts.append(more)
            have += len(more)
        return b"".join(parts)

    def pwritev(self, buffers: Sequence[Buffer], offset: int) -> int:
        total = sum(map(len, buffers))
        if len(buffers) <= MAX_BUFFERS:
            written = os.pwritev(self._fd, buffers, offset)
            if written == total:
                return total
            buffers = _behind(buffers, written)
            offset += written
        while buffers:
            written = os.pwritev(self._fd, buffers[:MAX_BUFFERS], offset)
            buffers = _behind(buffers, written)
            offset += written
        return total

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        _sync_data(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __del__(self) -> None:
        self.close()


def _behind(buffers: Sequence[Buffer], written: int) -> list[Buffer]:
    """What is left of the buffers behind their first `written` bytes."""
    for at, buffer in enumerate(buffers):
        if written < len(buffer):
            return [memoryview(buffer)[written:], *buffers[at + 1 :]]
        written -= len(buffer)
    return []


class OsLock:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class OsDisk:
    def open(self, path: str, *, create: bool = False) -> OsFile:
        return OsFile(os.open(path, _FLAGS | os.O_CREAT if create else _FLAGS, 0o644))

    def read(self, path: str) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while part := os.read(fd, 1 << 20):
                parts.append(part)
            return b"".join(parts)
        finally:
            os.close(fd)

    def replace(self, path: str, data: bytes) -> None:
        temporary = path + ".tmp"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(fd, left) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
        self.sync_dir(os.path.dirname(path))

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(path)

    def list(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def modified_ms(self, path: str) -> int:
        return os.stat(path).st_mtime_ns // 1_000_000

    def make_dirs(self, path: str) -> None:
        try:
            os.mkdir(path)  # its parent is there, as a rule
        except OSError:
            os.makedirs(path, exist_ok=True)

    def rename(self, old: str, new: str) -> None:
        os.replace(old, new)

    def remove(self, path: str) -> None:
        os.remove(path)

    def remove_tree(self, path: str) -> None:
        shutil.rmtree(path)

    def sync_dir(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_volume(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _sync_volume(fd)
        finally:
            os.close(fd)

    def usage(self, path: str) -> tuple[int, int]:
        volume = os.statvfs(path)
        return volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize

    def lock(self, path: str) -> OsLock:
        """Two locks: the record lock that Apache Kafka takes on the same file, and one that holds within a process."""
        fd = os.open(path, _FLAGS | os.O_CREAT, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise FileExistsError(f"{path} is not a file")
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return OsLock(fd)
