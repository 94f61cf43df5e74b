"""python -m tests.chaos.power JOURNAL DATA CONFIG: a node that notes in a side file what would survive a power cut.

A killed process leaves the page cache behind, a host without power does not. The node's own disk writes a line for
each file that it makes, cuts or syncs and for each folder that it syncs; after kill -9, `cut` plays the power cut: each
file loses what was not synced, but for a random part, and a file whose name was not synced may be gone.

What is written over bytes that were synced, and a rename without a sync of its folder, count as durable here; the
simulator's disk (tests/sim/inodes.py) is stricter.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from server.__main__ import main
from server.log.disk import OsDisk, OsFile
from tests.support.broker import Broker

MADE, SYNCED, CUT, NAMES, MOVED = "made", "synced", "cut", "names", "moved"


class Journal:
    """Each line is one write to the end of the file: it is whole, or not there."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def note(self, what: str, *fields: object) -> None:
        os.write(self._fd, ("\t".join([what, *map(str, fields)]) + "\n").encode())


class NotingFile:
    def __init__(self, file: OsFile, inode: int, journal: Journal) -> None:
        self._inode, self._journal = inode, journal
        self._file = file
        self.size, self.pread, self.pwritev, self.close = file.size, file.pread, file.pwritev, file.close

    def truncate(self, size: int) -> None:
        self._file.truncate(size)
        self._journal.note(CUT, self._inode, size)

    def sync(self) -> None:
        size = self._file.size()  # what is written meanwhile, in another thread, may not be covered
        self._file.sync()
        self._journal.note(SYNCED, self._inode, size)


class NotingDisk(OsDisk):
    def __init__(self, journal: Journal, data: str) -> None:
        """data: the folder with all that may be lost; a sync of the volume is a sync of all of it."""
        self._journal, self._data = journal, data

    def open(self, path: str, *, create: bool = False) -> NotingFile:  # type: ignore[override]
        new = create and not os.path.exists(path)
        file = super().open(path, create=create)
        inode = os.stat(path).st_ino
        if new:
            self._journal.note(MADE, inode, path)
        return NotingFile(file, inode, self._journal)

    def replace(self, path: str, data: bytes) -> None:
        super().replace(path, data)
        self._journal.note(SYNCED, os.stat(path).st_ino, len(data))

    def rename(self, old: str, new: str) -> None:
        replaces = os.path.isfile(new)
        super().rename(old, new)
        self._journal.note(MOVED, old, new, int(replaces))

    def sync_dir(self, path: str) -> None:
        super().sync_dir(path)
        self._journal.note(NAMES, path)

    def sync_volume(self, path: str) -> None:
        sizes = [(status.st_ino, status.st_size) for status in map(os.stat, _files(self._data))]
        super().sync_volume(path)
        for inode, size in sizes:
            self._journal.note(SYNCED, inode, size)
        for folder, _, _ in os.walk(self._data):
            self._journal.note(NAMES, folder)


class FragileNode(Broker):
    """A node whose power can be cut."""

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    def start_command(self) -> list[str]:
        return [sys.executable, "-m", "tests.chaos.power", str(self.journal), str(self.data), str(self.config)]

    def cut_power(self, rng: Random) -> int:
        """Returns how many bytes were lost."""
        self.kill()
        return cut(self.journal, self.data, rng)


def cut(journal: Path, folder: Path, rng: Random) -> int:
    """Make the files in `folder` what a power cut may leave of them; returns how many bytes were lost.

    Files that the journal does not know are older than it, and whole.
    """
    synced, unnamed = read(journal.read_text())
    lost = 0
    for path in _files(str(folder)):
        status = os.stat(path)
        durable = synced.get(status.st_ino, status.st_size)
        if path in unnamed and rng.random() < 0.5:
            os.remove(path)
            lost += status.st_size
        elif status.st_size > durable:
            kept = rng.choice([durable, rng.randint(durable, status.st_size)])
            os.truncate(path, kept)
            lost += status.st_size - kept
    journal.write_text("")
    return lost


def read(journal: str) -> tuple[dict[int, int], set[str]]:
    """(bytes synced by inode, paths whose names are not synced)."""
    synced: dict[int, int] = {}
    unnamed: set[str] = set()
    for line in journal.splitlines():
        what, *fields = line.split("\t")
        if what == NAMES:
            unnamed = {path for path in unnamed if os.path.dirname(path) != fields[0]}
        elif what == MOVED:
            old, new, replaces = fields
            if replaces == "1":  # the name is there, before and after: what the power cut may take is none of it
                unnamed.discard(old)
                continue
            unnamed = {new + path[len(old) :] if f"{path}/".startswith(f"{old}/") else path for path in unnamed}
        elif what == MADE:
            synced[int(fields[0])] = 0
            unnamed.add(fields[1])
        elif what == SYNCED:
            synced[int(fields[0])] = int(fields[1])
        else:
            inode, size = map(int, fields)
            synced[inode] = min(synced.get(inode, size), size)
    return synced, unnamed


def _files(folder: str) -> list[str]:
    return sorted(os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)


def _main(arguments: Sequence[str]) -> int:
    journal, data, *rest = arguments
    return main(rest, NotingDisk(Journal(journal), data))


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
