"""What the group coordinator goes by: the broker's settings, by Kafka's names."""

from dataclasses import dataclass, field

from server.groups.consumer.settings import ConsumerSettings


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """group.* and offset(s).*; times are ms."""

    initial_rebalance_delay_ms: int = 3000
    min_session_timeout_ms: int = 6000
    max_session_timeout_ms: int = 1_800_000
    max_size: int = (1 << 31) - 1
    metadata_max_bytes: int = 4096
    retention_ms: int = 10_080 * 60_000
    retention_check_interval_ms: int = 600_000
    consumer: ConsumerSettings = field(default_factory=ConsumerSettings)
