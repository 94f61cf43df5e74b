"""What a log owes to the disk: files that were written and not synced, and the jobs that pay.

A roll leaves a whole segment unsynced. Syncing it may take seconds, so it is a job that another thread can run: `run`
touches only the disk, `finish` belongs to the thread of the log.
"""

from collections.abc import Callable, Iterable

from server.ports import Disk


class SyncJob:
    """Run it anywhere, then finish it where the log lives."""

    def __init__(
        self, disk: Disk, paths: list[str], folders: list[str], done: Callable[[OSError | None], None]
    ) -> None:
        self._disk, self._paths, self._folders, self._done = disk, paths, folders, done
        self._error: OSError | None = None

    def run(self) -> None:
        try:
            sync_all(self._disk, self._paths, self._folders)
        except OSError as error:
            self._error = error

    def finish(self) -> None:
        self._done(self._error)


class SyncDebt:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._parent = folder.rpartition("/")[0]
        self._rolled: list[tuple[int, list[str]]] = []  # (offset behind it, its paths), oldest first
        self._loose: list[str] = []
        self._names = False  # whether names in the folder changed
        self._new = False  # whether the folder itself is new
        self._running = False
        self._generation = 0

    def new_folder(self) -> None:
        self._new = self._names = True

    def add(self, path: str) -> None:
        """Owe the sync of one more file, whose name may be new."""
        self._loose.append(path)
        self._names = True

    def rolled(self, end_offset: int, paths: Iterable[str]) -> None:
        """Owe a segment that ends at `end_offset` (exclusive)."""
        self._rolled.append((end_offset, [*self._loose, *paths]))
        self._loose = []
        self._names = True

    @property
    def paths(self) -> list[str]:
        """Every file that is owed."""
        return [*self._loose, *(path for _, owed in self._rolled for path in owed)]

    @property
    def folders(self) -> list[str]:
        """The folders whose names are owed; the log's own first."""
        return [self._folder, self._parent] if self._new else [self._folder]

    def __bool__(self) -> bool:
        return bool(self._rolled or self._loose or self._names)

    def pay(self, disk: Disk, more: Iterable[str]) -> None:
        """Sync everything owed, and `more`, here and now. Raises OSError."""
        sync_all(disk, [*self.paths, *more], self.folders if self._names else [])
        self.paid()

    def paid(self) -> None:
        """Everything owed was synced."""
        self._rolled, self._loose, self._names, self._new = [], [], False, False
        self._generation += 1

    def job(self, disk: Disk, done: Callable[[int, OSError | None], None]) -> SyncJob | None:
        """The job that syncs all rolled segments; done(offset up to which all is durable, error) comes after it.

        None: nothing is owed, or one is under way.
        """
        if self._running or not self._rolled:
            return None
        rolled, generation, new = list(self._rolled), self._generation, self._new
        paths = [path for _, owed in rolled for path in owed]

        def finished(error: OSError | None) -> None:
            self._running = False
            if error is None and generation == self._generation:
                del self._rolled[: len(rolled)]
                self._new = self._new and not new
            # In a later generation all of this was paid, and maybe cut off since: it says nothing about offsets.
            done(rolled[-1][0] if generation == self._generation else -1, error)

        self._running = True
        return SyncJob(disk, paths, self.folders, finished)


def write_whole(disk: Disk, path: str, data: bytes) -> None:
    """Make a file hold `data`, without a sync: a crash may tear it."""
    file = disk.open(path, create=True)
    try:
        file.truncate(0)
        file.pwritev([data], 0)
    finally:
        file.close()


def sync_all(disk: Disk, paths: Iterable[str], folders: Iterable[str]) -> None:
    """Sync files, then the folders with their names. A file that is gone needs none."""
    for path in dict.fromkeys(paths):
        try:
            file = disk.open(path)
        except FileNotFoundError:
            continue
        try:
            file.sync()
        finally:
            file.close()
    for folder in folders:
        disk.sync_dir(folder)
