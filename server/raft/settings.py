"""The times of a quorum, under Kafka's names and with Kafka's defaults."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """controller.quorum.* of the configuration; `listener` is the first of controller.listener.names."""

    election_timeout_ms: int = 1000
    election_backoff_max_ms: int = 1000
    fetch_timeout_ms: int = 2000
    request_timeout_ms: int = 2000
    retry_backoff_ms: int = 20
    fetch_max_wait_ms: int = 500
    listener: str = "CONTROLLER"
    auto_join: bool = False

    @property
    def check_quorum_timeout_ms(self) -> int:
        """Longer than a follower's fetch time-out: followers that lost the leader elect before it gives up."""
        return self.fetch_timeout_ms * 3 // 2

    @property
    def begin_epoch_timeout_ms(self) -> int:
        return self.fetch_timeout_ms // 2
