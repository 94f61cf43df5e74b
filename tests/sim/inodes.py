"""What a disk remembers through a power cut: files with writes that are not synced yet, folders with unsynced changes.

Between two syncs a filesystem may write back what it likes, when it likes. So a crash keeps or loses each unsynced
change on its own, under three rules: what was synced stays; a change that needs a lost one (a file in a folder whose
making was lost) is lost with it; a rename happens whole or not at all. A data write may also be torn: cut at any
byte, or kept page by page. The four tempers below say how a crash draws; real crashes are mostly like PREFIX, the
worst ones like SCATTER.
"""

from dataclasses import dataclass, field
from enum import Enum
from random import Random

PAGE = 4096


class Temper(Enum):
    KEEP = "keep"  # all that was written is kept: the page cache outlives a killed process
    LOSE = "lose"  # nothing unsynced is kept
    PREFIX = "prefix"  # the oldest changes are kept, the one at the cut is torn
    SCATTER = "scatter"  # each change is kept, torn or lost on its own


@dataclass(slots=True)
class Write:
    offset: int
    data: bytes


@dataclass(slots=True)
class Cut:
    """The file was truncated, or extended with zeros, to `size`."""

    size: int


class Inode:
    """One file's bytes: as processes see them, and as the platters hold them."""

    def __init__(self, data: bytes = b"") -> None:
        self.seen = bytearray(data)
        self._durable = bytearray(data)
        self._unsynced: list[Write | Cut] = []
        self.modified_ms = 0

    def change(self, change: Write | Cut) -> None:
        _apply(self.seen, change)
        self._unsynced.append(change)

    def sync(self) -> None:
        for change in self._unsynced:
            _apply(self._durable, change)
        self._unsynced.clear()

    def forsake(self) -> None:
        """A sync failed: the changes stay visible, but no later sync will write them (the pages count as clean)."""
        self._unsynced.clear()

    @property
    def synced(self) -> bytes:
        return bytes(self._durable)

    def after_crash(self, rng: Random, temper: Temper) -> "Inode":
        if temper is Temper.KEEP:
            survivor = Inode(bytes(self.seen))
        else:
            survivor = Inode(bytes(self._durable))
            for change in _survivors(self._unsynced, rng, temper):
                _apply(survivor.seen, change)
            survivor._durable[:] = survivor.seen
        survivor.modified_ms = self.modified_ms
        return survivor


def _apply(data: bytearray, change: Write | Cut) -> None:
    size = change.size if isinstance(change, Cut) else change.offset
    if isinstance(change, Cut):
        del data[size:]
    if len(data) < size:
        data.extend(bytes(size - len(data)))
    if isinstance(change, Write):
        data[change.offset : change.offset + len(change.data)] = change.data


def _survivors(changes: list[Write | Cut], rng: Random, temper: Temper) -> list[Write | Cut]:
    if temper is Temper.LOSE or not changes:
        return []
    if temper is Temper.PREFIX:
        whole = rng.randrange(len(changes) + 1)
        return [*changes[:whole], *(part for change in changes[whole : whole + 1] for part in _torn(change, rng))]
    kept: list[Write | Cut] = []
    for change in changes:
        draw = rng.random()
        if draw < 0.4:
            kept.append(change)
        elif draw < 0.7:
            kept += _torn(change, rng)
    return kept


def _torn(change: Write | Cut, rng: Random) -> list[Write | Cut]:
    if isinstance(change, Cut):
        return []
    if rng.random() < 0.5:
        landed = change.data[: rng.randrange(len(change.data) + 1)]
        return [Write(change.offset, landed)] if landed else []
    pages: list[Write | Cut] = []
    at, end = change.offset, change.offset + len(change.data)
    while at < end:
        next_page = min(end, (at // PAGE + 1) * PAGE)
        if rng.random() < 0.5:
            pages.append(Write(at, change.data[at - change.offset : next_page - change.offset]))
        at = next_page
    return pages


@dataclass(slots=True)
class Made:
    path: str
    inode: Inode | None  # None: a folder
    durable: bool = False


@dataclass(slots=True)
class Removed:
    path: str
    durable: bool = False


@dataclass(slots=True)
class Renamed:
    path: str
    new: str
    durable: bool = False


Change = Made | Removed | Renamed


@dataclass
class Names:
    """A tree of names. `nodes` maps each path to its file, or to None for a folder."""

    nodes: dict[str, Inode | None] = field(default_factory=lambda: {"/": None})
    children: dict[str, dict[str, None]] = field(default_factory=lambda: {"/": {}})

    def apply(self, change: Change) -> None:
        match change:
            case Made(path, inode):
                self._put(path, inode)
            case Removed(path):
                self._take(path)
            case Renamed(path, new):
                if new in self.nodes:
                    self._take(new)
                self._move(path, new)

    def copy(self) -> "Names":
        return Names(dict(self.nodes), {path: dict(names) for path, names in self.children.items()})

    def _put(self, path: str, inode: Inode | None) -> None:
        self.nodes[path] = inode
        if inode is None:
            self.children[path] = {}
        self.children[folder_of(path)][name_of(path)] = None

    def _take(self, path: str) -> Inode | None:
        self.children.pop(path, None)
        del self.children[folder_of(path)][name_of(path)]
        return self.nodes.pop(path)

    def _move(self, old: str, new: str) -> None:
        names = list(self.children.get(old, ()))
        self._put(new, self.nodes[old])
        for name in names:
            self._move(f"{old}/{name}", f"{new}/{name}")
        self._take(old)


def surviving(changes: list[Change], rng: Random, temper: Temper) -> list[Change]:
    """Draw which of these changes to a tree of names, oldest first, a crash keeps."""
    needed: set[int] = {at for at, change in enumerate(changes) if change.durable}
    for at in reversed(range(len(changes))):
        if any(later in needed and _depends(changes[later], changes[at]) for later in range(at + 1, len(changes))):
            needed.add(at)
    cut = rng.randrange(len(changes) + 1)
    lost: list[Change] = []
    kept: list[Change] = []
    for at, change in enumerate(changes):
        by_chance = {
            Temper.KEEP: True,
            Temper.LOSE: False,
            Temper.PREFIX: at < cut,
            Temper.SCATTER: rng.random() < 0.6,
        }[temper]
        stays = at in needed or (by_chance and not any(_depends(change, earlier) for earlier in lost))
        (kept if stays else lost).append(change)
    return kept


def _depends(later: Change, earlier: Change) -> bool:
    return any(_related(a, b) for a in _paths(later) for b in _paths(earlier))


def _paths(change: Change) -> tuple[str, ...]:
    return (change.path, change.new) if isinstance(change, Renamed) else (change.path,)


def _related(a: str, b: str) -> bool:
    return a == b or a.startswith(b + "/") or b.startswith(a + "/")


def folder_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def name_of(path: str) -> str:
    return path.rpartition("/")[2]
