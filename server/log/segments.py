"""The segments of one log, oldest first; the last one is active."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from server.log.segment import Segment


class Segments:
    __slots__ = ("_all", "_bases", "active")

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._all = list(segments)
        self._bases = [segment.base for segment in self._all]
        self.active = self._all[-1]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._all)

    def __getitem__(self, at: int) -> Segment:
        return self._all[at]

    def floor(self, offset: int) -> int:
        """The index of the segment in whose range `offset` falls; 0 if it is before all."""
        return max(0, bisect_right(self._bases, offset) - 1)

    def end_of(self, at: int, leo: int) -> int:
        """Where the range of the segment at `at` ends, exclusive."""
        return self._bases[at + 1] if at + 1 < len(self._bases) else leo

    def add(self, segment: Segment) -> None:
        """Make `segment` the active one."""
        self._all.append(segment)
        self._bases.append(segment.base)
        self.active = segment

    def remove(self, segment: Segment) -> None:
        at = self._all.index(segment)
        del self._all[at]
        del self._bases[at]
        if self._all:
            self.active = self._all[-1]

    def replace(self, old: list[Segment], new: Segment) -> None:
        """Put one segment where a run of them was."""
        at = self._all.index(old[0])
        self._all[at : at + len(old)] = [new]
        self._bases = [segment.base for segment in self._all]
        self.active = self._all[-1]

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self._all)
