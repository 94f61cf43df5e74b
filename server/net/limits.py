"""Limits of the network floor, by name."""

from dataclasses import dataclass

KIB = 1024
READ_MIN_BYTES = 16 * KIB  # receive buffer of a quiet connection
READ_MAX_BYTES = 256 * KIB  # of a busy one; a larger frame grows it for as long as such frames come
UNSENT_HIGH_BYTES = 1024 * KIB  # above, a connection is not served
UNSENT_LOW_BYTES = 256 * KIB  # below, it is served again
PIPELINED_ANSWERS = 64  # answers that may wait for replication on one connection
TURN_SECONDS = 0.01  # one connection is served so long, then the others, if it sent more than that is worth
SWEEPS_PER_IDLE_TIME = 8  # how finely connections.max.idle.ms is kept
COMPLAINTS_PER_SECOND = 5  # log lines about bad peers; the rest is counted
INT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Those that a configuration sets, under Kafka's names."""

    socket_request_max_bytes: int = 104_857_600
    max_connections: int = INT_MAX
    max_connections_per_ip: int = INT_MAX
    connections_max_idle_ms: int = 600_000
    queued_max_request_bytes: int = -1
