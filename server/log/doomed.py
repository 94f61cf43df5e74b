"""Files and folders that have their deleted names already, and go when their time has come."""

from server.ports import Disk


class Doomed:
    def __init__(self) -> None:
        self._waiting: list[tuple[int | None, str]] = []  # (when, path); None: the delay has not begun

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, path: str) -> None:
        self._waiting.append((None, path))

    def remove_due(self, disk: Disk, now_ms: int, delay_ms: int) -> None:
        """Remove what has waited for `delay_ms` since the first call that saw it. Raises OSError."""
        if not self._waiting:
            return
        timed = [(now_ms + delay_ms if when is None else when, path) for when, path in self._waiting]
        for when, path in timed:
            if when > now_ms:
                continue
            if disk.is_dir(path):
                disk.remove_tree(path)
            elif disk.exists(path):
                disk.remove(path)
        self._waiting = [(when, path) for when, path in timed if when > now_ms]
