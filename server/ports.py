"""The four doors to the world: Clock, Network, Disk, Rng.

Everything that is not a function of its arguments comes through one of these. `server/node.py` builds the real ones;
the simulator builds its own and runs the same code.

The Disk is synchronous: a broker owns its disk, and a task switch between a check and the write it guards is how data
is lost. The Network hands out asyncio transports; timers are the running loop's.
"""

from __future__ import annotations  # asyncio takes 40 ms to import, and those who only read files need none of it

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    import asyncio

Buffer = bytes | bytearray | memoryview
P = TypeVar("P", bound="asyncio.BaseProtocol")


class Clock(Protocol):
    def now_ms(self) -> int:
        """Monotonic milliseconds, for durations and deadlines."""
        ...

    def timestamp_ms(self) -> int:
        """Wall clock, milliseconds since the Unix epoch, for records and files."""
        ...


class Rng(Protocol):
    def below(self, stop: int) -> int:
        """A uniform draw from [0, stop)."""
        ...

    def uuid(self) -> UUID:
        """A version 4 id whose base64 form does not begin with '-', and that is not a reserved one."""
        ...


class File(Protocol):
    """An open file. Offsets and sizes are bytes. Every method may raise OSError."""

    def size(self) -> int: ...

    def pread(self, size: int, offset: int) -> bytes:
        """Read up to `size` bytes; fewer only at the end of the file."""
        ...

    def pwritev(self, buffers: Sequence[Buffer], offset: int) -> int:
        """Write all buffers, whole, and return how many bytes that was."""
        ...

    def truncate(self, size: int) -> None: ...

    def sync(self) -> None:
        """Return when what was written to this file survives a power cut."""
        ...

    def close(self) -> None: ...


class Lock(Protocol):
    def release(self) -> None: ...


class Disk(Protocol):
    """Paths are absolute strings. Missing files raise FileNotFoundError; all else that fails is an OSError."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing; `create` makes the file where it is missing."""
        ...

    def read(self, path: str) -> bytes: ...

    def replace(self, path: str, data: bytes) -> None:
        """Make `path` hold `data`, all or nothing, and durably: a temporary file, sync, rename, sync of the folder."""
        ...

    def exists(self, path: str) -> bool: ...

    def is_dir(self, path: str) -> bool: ...

    def list(self, path: str) -> list[str]:
        """The names in a folder, sorted."""
        ...

    def size(self, path: str) -> int: ...

    def modified_ms(self, path: str) -> int: ...

    def make_dirs(self, path: str) -> None: ...

    def rename(self, old: str, new: str) -> None:
        """Atomic, replacing `new`; durable after sync_dir of the folder."""
        ...

    def remove(self, path: str) -> None: ...

    def remove_tree(self, path: str) -> None: ...

    def sync_dir(self, path: str) -> None: ...

    def sync_volume(self, path: str) -> None:
        """Sync everything on the volume that holds `path`: cheaper than a thousand files one by one."""
        ...

    def usage(self, path: str) -> tuple[int, int]:
        """(total bytes, usable bytes) of the volume that holds `path`."""
        ...

    def lock(self, path: str) -> Lock:
        """Take the exclusive lock file at `path`. Raises BlockingIOError while another process holds it."""
        ...


class Listening(Protocol):
    port: int

    def close(self) -> None: ...


class Network(Protocol):
    async def listen(self, make: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Listening:
        """Accept connections; port 0 takes a free one. Raises OSError."""
        ...

    async def dial(self, make: Callable[[], P], host: str, port: int) -> P:
        """Connect, and return the protocol that `make` built. Raises OSError."""
        ...
