"""What consumer groups go by: the broker's settings, by Kafka's names, and what a group sets for itself."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """group.consumer.*; times are ms.

    assignors      the default one first
    assignment_ms  least time between two target assignments
    """

    max_size: int = (1 << 31) - 1
    assignors: Sequence[str] = ("uniform", "range")
    session_ms: int = 45_000
    heartbeat_ms: int = 5_000
    assignment_ms: int = 1_000
