"""A disk in memory that knows what is synced, and loses the rest when asked to: server/ports.Disk for tests.

    disk = MemoryDisk()                      # whole, fast, endless
    disk.crash(rng)                          # the power goes: what was not synced is kept, torn or lost
    disk.crash(rng, Temper.KEEP)             # kill -9: the page cache stays, open files and locks do not
    after = disk.crashed(rng)                # the same on a copy, so that one state can be crashed a thousand ways
    disk.fail(EIO, "write", "/data/t-0/*")   # each write there fails, until heal()
    disk.fail(EIO, "sync", times=1)          # one sync fails, and what it should have written is lost for good
    disk.volume("/data2", 1 << 20)           # a volume of its own, of that many bytes: ENOSPC beyond
    disk.before = hook                       # called as hook(operation, path) ahead of each change; may raise

A name is durable after `sync_dir` of its folder, a file's bytes after `sync` of the file: fsync(2) promises no more.
The names of a folder's own ancestors go with it, as every journaling filesystem does. After a crash, Files and locks
taken before it raise EBADF, and so does a `session` begun before it: code of a dead process cannot touch the disk.
"""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Any, cast

from server.ports import Buffer, Disk
from tests.sim.inodes import (
    Change,
    Cut,
    Inode,
    Made,
    Names,
    Removed,
    Renamed,
    Temper,
    Write,
    folder_of,
    surviving,
)
from tests.sim.loop import Killed, current_process

ENDLESS = 1 << 50


@dataclass
class Fault:
    """Make an operation fail on paths like `pattern`.

    operation   open read list lock make write truncate sync rename remove sync_dir, or * for all
    """

    code: int
    operation: str
    pattern: str
    times: int

    def hits(self, operation: str, path: str) -> bool:
        return self.times > 0 and self.operation in (operation, "*") and fnmatchcase(path, self.pattern)


class MemoryFile:
    def __init__(self, disk: "MemoryDisk", path: str, inode: Inode) -> None:
        self._disk, self._path, self._inode = disk, path, inode
        self._age, self._open = disk.age, True
        disk.open_files += 1

    def size(self) -> int:
        self._check()
        return len(self._inode.seen)

    def pread(self, size: int, offset: int) -> bytes:
        self._check()
        self._disk.faults_for("read", self._path)
        if size < 0 or offset < 0:
            raise _error(errno.EINVAL, self._path)
        return bytes(memoryview(self._inode.seen)[offset : offset + size])

    def pwritev(self, buffers: Sequence[Buffer], offset: int) -> int:
        self._check()
        data = b"".join(buffers)
        if offset < 0:
            raise _error(errno.EINVAL, self._path)
        self._disk.write(self._inode, self._path, data, offset)
        return len(data)

    def truncate(self, size: int) -> None:
        self._check()
        if size < 0:
            raise _error(errno.EINVAL, self._path)
        self._disk.announce("truncate", self._path)
        self._disk.make_room(self._path, size - len(self._inode.seen))
        self._disk.change(self._inode, Cut(size))

    def sync(self) -> None:
        self._check()
        self._disk.sync(self._inode, self._path)

    def close(self) -> None:
        if self._open and self._age == self._disk.age:
            self._disk.open_files -= 1
        self._open = False

    def _check(self) -> None:
        if not self._open or self._age != self._disk.age:
            raise _stale(self._path)


class MemoryLock:
    def __init__(self, disk: "MemoryDisk", path: str) -> None:
        self._disk, self._path, self._age = disk, path, disk.age

    def release(self) -> None:
        if self._age == self._disk.age:
            self._disk.locks.discard(self._path)


class _Session:
    def __init__(self, disk: "MemoryDisk") -> None:
        self._disk, self._age = disk, disk.age

    def __getattr__(self, name: str) -> Any:
        if self._age != self._disk.age:
            raise _stale(name)
        return getattr(self._disk, name)


class MemoryDisk:
    def __init__(self, timestamp_ms: Callable[[], int] = lambda: 0, rng: Random | None = None) -> None:
        self.before: Callable[[str, str], None] = lambda operation, path: None
        self.age = 0  # how often it crashed
        self.open_files = 0
        self.locks: set[str] = set()
        self._timestamp_ms = timestamp_ms
        self._rng = rng or Random(0)  # only for how much of a failing write lands
        self._names, self._durable = Names(), Names()
        self._unsynced: list[Change] = []
        self._faults: list[Fault] = []
        self._volumes = {"/": ENDLESS}

    # -- the port

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        self.faults_for("open", path)
        if path not in self._names.nodes:
            if not create:
                raise _error(errno.ENOENT, path)
            self._make(path, Inode())
        return MemoryFile(self, path, self._file(path))

    def read(self, path: str) -> bytes:
        self.faults_for("read", path)
        return bytes(self._file(path).seen)

    def replace(self, path: str, data: bytes) -> None:
        temporary = path + ".tmp"
        file = self.open(temporary, create=True)
        try:
            file.truncate(0)
            file.pwritev([data], 0)
            file.sync()
        finally:
            file.close()
        self.rename(temporary, path)
        self.sync_dir(folder_of(path))

    def exists(self, path: str) -> bool:
        return path in self._names.nodes

    def is_dir(self, path: str) -> bool:
        return path in self._names.children

    def list(self, path: str) -> list[str]:
        self.faults_for("list", path)
        return sorted(self._folder(path))

    def size(self, path: str) -> int:
        return len(self._file(path).seen)

    def modified_ms(self, path: str) -> int:
        return self._file(path).modified_ms

    def make_dirs(self, path: str) -> None:
        if path in self._names.children:
            return
        if path in self._names.nodes:
            raise _error(errno.EEXIST, path)
        self.make_dirs(folder_of(path))
        self._make(path, None)

    def rename(self, old: str, new: str) -> None:
        self.announce("rename", old)
        node = self._node(old)
        self._folder(folder_of(new))
        if old == new:
            return
        if new.startswith(old + "/"):
            raise _error(errno.EINVAL, new)
        if new in self._names.nodes:
            if node is None and not self.is_dir(new):
                raise _error(errno.ENOTDIR, new)
            if node is not None and self.is_dir(new):
                raise _error(errno.EISDIR, new)
            if self._names.children.get(new):
                raise _error(errno.ENOTEMPTY, new)
        self._note(Renamed(old, new))

    def remove(self, path: str) -> None:
        self.announce("remove", path)
        self._file(path)
        self._note(Removed(path))

    def remove_tree(self, path: str) -> None:
        for name in sorted(self._folder(path)):
            child = f"{path}/{name}"
            if self.is_dir(child):
                self.remove_tree(child)
            else:
                self.remove(child)
        self.announce("remove", path)
        self._note(Removed(path))

    def sync_dir(self, path: str) -> None:
        self.announce("sync_dir", path)
        self._folder(path)
        for change in self._unsynced:
            if path in (folder_of(change.path), folder_of(change.new) if isinstance(change, Renamed) else ""):
                change.durable = True
        while self._unsynced and self._unsynced[0].durable:
            self._durable.apply(self._unsynced.pop(0))

    def sync_volume(self, path: str) -> None:
        volume = self._volume_of(path)
        mine = [name for name in sorted(self._names.nodes) if self._volume_of(name) == volume]
        for name in mine:
            inode = self._names.nodes[name]
            if inode is not None:
                self.sync(inode, name)
        for name in mine:
            if self.is_dir(name):
                self.sync_dir(name)

    def usage(self, path: str) -> tuple[int, int]:
        volume = self._volume_of(path)
        return self._volumes[volume], max(0, self._volumes[volume] - self._used(volume))

    def lock(self, path: str) -> MemoryLock:
        self.faults_for("lock", path)
        if path in self.locks:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)
        self.open(path, create=True).close()
        self.locks.add(path)
        return MemoryLock(self, path)

    # -- what a test does to it

    def crash(self, rng: Random, temper: Temper | None = None) -> None:
        """Become what a power cut may leave (`Temper.KEEP`: what a killed process leaves). Faults and volumes stay."""
        temper = temper or rng.choice([Temper.LOSE, Temper.PREFIX, Temper.SCATTER])
        names = self._durable.copy()
        for change in surviving(self._unsynced, rng, temper):
            names.apply(change)
        reborn: dict[int, Inode] = {}
        for path, inode in names.nodes.items():
            if inode is not None:
                names.nodes[path] = reborn.setdefault(id(inode), inode.after_crash(rng, temper))
        self._names, self._durable, self._unsynced = names, names.copy(), []
        self.age += 1
        self.open_files = 0
        self.locks = set()

    def crashed(self, rng: Random, temper: Temper | None = None) -> "MemoryDisk":
        """A disk of its own in a state that a crash may leave this one in; this one stays as it is."""
        other = MemoryDisk(self._timestamp_ms, rng)
        other._names, other._durable, other._unsynced = self._names, self._durable, self._unsynced
        other._volumes = dict(self._volumes)
        other.crash(rng, temper)
        return other

    def session(self) -> Disk:
        """This disk for one process: useless after the next crash."""
        return cast(Disk, _Session(self))

    def fail(self, code: int, operation: str = "*", pattern: str = "*", times: int = ENDLESS) -> Fault:
        fault = Fault(code, operation, pattern, times)
        self._faults.append(fault)
        return fault

    def heal(self) -> None:
        self._faults.clear()

    def volume(self, path: str, capacity: int) -> None:
        """Put `path` and all beneath it on a volume of `capacity` bytes; "/" resizes the first volume."""
        self._volumes[path] = capacity

    def files(self) -> dict[str, bytes]:
        """Every file as processes see it, by path."""
        return {path: bytes(inode.seen) for path, inode in sorted(self._names.nodes.items()) if inode is not None}

    def synced(self, path: str) -> bytes:
        """What of this file's bytes the platters hold for sure."""
        return self._file(path).synced

    # -- what its files use

    def announce(self, operation: str, path: str) -> None:
        self.before(operation, path)
        self.faults_for(operation, path)

    def faults_for(self, operation: str, path: str) -> None:
        for fault in self._faults:
            if fault.hits(operation, path):
                fault.times -= 1
                raise _error(fault.code, path)

    def write(self, inode: Inode, path: str, data: bytes, offset: int) -> None:
        """All of `data`, or a part of it and then an OSError."""
        self.before("write", path)
        try:
            self.faults_for("write", path)
        except OSError:
            self._write_part(inode, data[: self._rng.randrange(len(data) + 1)], offset)
            raise
        try:
            self.make_room(path, offset + len(data) - len(inode.seen))
        except OSError:
            room = self.usage(path)[1] + max(0, len(inode.seen) - offset)
            self._write_part(inode, data[:room], offset)
            raise
        self._write_part(inode, data, offset)

    def make_room(self, path: str, growth: int) -> None:
        if growth > 0 and growth > self.usage(path)[1]:
            raise _error(errno.ENOSPC, path)

    def change(self, inode: Inode, change: Write | Cut) -> None:
        inode.change(change)
        inode.modified_ms = self._timestamp_ms()

    def sync(self, inode: Inode, path: str) -> None:
        self.before("sync", path)
        try:
            self.faults_for("sync", path)
        except OSError:
            inode.forsake()
            raise
        inode.sync()

    def _write_part(self, inode: Inode, data: bytes, offset: int) -> None:
        if data:
            self.change(inode, Write(offset, data))

    def _make(self, path: str, inode: Inode | None) -> None:
        self.announce("make", path)
        self._folder(folder_of(path))
        if inode is not None:
            inode.modified_ms = self._timestamp_ms()
        self._note(Made(path, inode))

    def _note(self, change: Change) -> None:
        self._names.apply(change)
        self._unsynced.append(change)

    def _node(self, path: str) -> Inode | None:
        if path not in self._names.nodes:
            parent = folder_of(path)
            code = errno.ENOTDIR if self._names.nodes.get(parent) is not None else errno.ENOENT
            raise _error(code, path)
        return self._names.nodes[path]

    def _file(self, path: str) -> Inode:
        inode = self._node(path)
        if inode is None:
            raise _error(errno.EISDIR, path)
        return inode

    def _folder(self, path: str) -> dict[str, None]:
        if self._node(path) is not None:
            raise _error(errno.ENOTDIR, path)
        return self._names.children[path]

    def _volume_of(self, path: str) -> str:
        return max((v for v in self._volumes if v == "/" or path == v or path.startswith(v + "/")), key=len)

    def _used(self, volume: str) -> int:
        if self._volumes[volume] == ENDLESS:
            return 0
        files = [inode for path, inode in self._names.nodes.items() if inode and self._volume_of(path) == volume]
        return sum(len(inode.seen) for inode in files)


def _stale(path: str) -> BaseException:
    process = current_process()
    return Killed() if process and not process.alive else _error(errno.EBADF, path)


def _error(code: int, path: str) -> OSError:
    return OSError(code, os.strerror(code), path)
