"""Who holds a log, and how a log tells that its disk failed."""

from typing import TYPE_CHECKING, Protocol

from server.model.errors import ErrorCode, Rejected

if TYPE_CHECKING:
    from server.log.folder import LogFolder


class StorageFailed(Rejected):
    """The disk failed; the log is fenced."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(ErrorCode.KAFKA_STORAGE_ERROR, message)


class Owner(Protocol):
    """Who holds a log and its directory's checkpoints."""

    def log_failed(self, log: "LogFolder", error: OSError) -> None: ...

    def checkpoint_now(self, log: "LogFolder") -> None:
        """Write recovery points and log start offsets, durably, before the log does what makes the old ones wrong."""
        ...


class Nobody:
    def log_failed(self, log: "LogFolder", error: OSError) -> None:
        pass

    def checkpoint_now(self, log: "LogFolder") -> None:
        pass
