"""Which log is compacted next, a slice of work at a time.

The dirtiest log comes first. What a round has covered is kept in the directory's cleaner-offset-checkpoint.
"""

import logging
from collections.abc import Callable, Iterable

from server.log import compaction
from server.log.compaction import Compaction
from server.log.log import Log
from server.log.log_dir import LogDir
from server.log.owner import StorageFailed
from server.model.errors import Rejected

logger = logging.getLogger(__name__)
BACKOFF_MS = 15_000  # between looks for something to do, log.cleaner.backoff.ms


class Cleaner:
    def __init__(
        self, logs: Callable[[], Iterable[Log]], dir_of: Callable[[Log], LogDir], backoff_ms: int = BACKOFF_MS
    ) -> None:
        self._logs, self._dir_of, self._backoff_ms = logs, dir_of, backoff_ms
        self._round: Compaction | None = None
        self._next_look_ms = 0
        self._damaged: set[str] = set()  # paths of logs that cannot be read

    def work(self, budget_bytes: int, now_ms: int, timestamp_ms: int) -> None:
        """Go on with the round under way, or begin one if a log is dirty enough. An OSError takes its log offline."""
        if self._round is None:
            if now_ms < self._next_look_ms:
                return
            self._round = self._dirtiest(timestamp_ms)
            if self._round is None:
                self._next_look_ms = now_ms + self._backoff_ms
                return
        current = self._round
        try:
            if current.step(budget_bytes):
                return
            self._round = None
            self._dir_of(current.log).note_cleaned(current.log, current.cleaned_to)
        except StorageFailed:
            self._round = None  # its directory is offline, and that was logged
        except Rejected as damage:
            self._round = None
            self._damaged.add(current.log.path)
            logger.error("Cannot compact the log in %s: %s", current.log.path, damage)
        except OSError as error:
            self._round = None
            if not current.log.failed:
                self._dir_of(current.log).fail(error)

    def _dirtiest(self, timestamp_ms: int) -> Compaction | None:
        best, most = None, 0.0
        for log in self._logs():
            if "compact" not in log.settings.cleanup_policy or log.path in self._damaged:
                continue
            cleaned_to = self._dir_of(log).cleaned_to(log)
            share = compaction.dirtiness(log, cleaned_to, timestamp_ms)
            if share > most:
                best, most = Compaction(log, cleaned_to, timestamp_ms), share
        return best

    def stop(self) -> None:
        """Give up the round under way."""
        if self._round is not None:
            self._round.stop()
            self._round = None
