"""A replication throttle: how many bytes may go now, and how long to wait until some may.

Pure; milliseconds come in. What may go grows with time at `rate`, up to what `credit_ms` of waiting are worth: so much
is made up for after an idle while, or after a look that came late. A batch that is larger than what may go goes whole,
and what it took too much is waited for afterwards. Nothing may go until it is worth `LEAST_MS`, so that a transfer
takes some twenty looks a second, not one for each batch.

Kafka averages over a number of windows, and lets through everything while the average is low: a whole answer of 10 MB,
or what eleven idle windows left over. An account that is settled with each answer holds any rate to within one look.

Also which replicas are throttled: the topic settings leader. and follower.replication.throttled.replicas.
Source: KIP-73, KIP-113 (moves between directories).
"""

from collections.abc import Sequence

UNLIMITED = (1 << 63) - 1
EVERYWHERE = "*"
LEAST_MS = 50
MAX_WAIT_MS = 1_000  # then it is looked again: the rate may have changed


class Throttle:
    """Begins without a limit, and without credit whenever the rate is set."""

    def __init__(self, credit_ms: int) -> None:
        self.rate = UNLIMITED
        self._credit_ms = max(credit_ms, 2 * LEAST_MS)
        self._left = 0.0  # bytes; negative: more went than might
        self._at_ms = 0

    @property
    def unlimited(self) -> bool:
        return self.rate == UNLIMITED

    @property
    def least(self) -> int:
        """The bytes that a look is worth, and below which none may go."""
        return max(int(self._worth(LEAST_MS)), 1)

    def set_rate(self, rate: int, now_ms: int) -> None:
        """rate: bytes a second; UNLIMITED: no throttle. What went too much by the old rate is still owed."""
        if rate != self.rate:
            self._left = min(self._settled(now_ms), 0.0)
            self.rate = rate

    def allowance(self, now_ms: int) -> int:
        """The bytes that may go now; 0: none, for the next `wait_ms`."""
        if self.unlimited:
            return UNLIMITED
        left = self._settled(now_ms)
        return int(left) if left >= self.least else 0

    def took(self, size: int, now_ms: int) -> None:
        """So many bytes went."""
        if not self.unlimited:
            self._left = self._settled(now_ms) - size

    def wait_ms(self, now_ms: int) -> int:
        """After how many milliseconds to ask again; 0: some bytes may go now."""
        if self.allowance(now_ms):
            return 0
        if not self.rate:
            return MAX_WAIT_MS
        missing = self.least - self._left
        return min(max(int(missing * 1000 / self.rate) + 1, 1), MAX_WAIT_MS)

    def _settled(self, now_ms: int) -> float:
        if not self.unlimited:
            self._left = min(self._left + self._worth(now_ms - self._at_ms), max(self._worth(self._credit_ms), 1))
        self._at_ms = now_ms
        return self._left

    def _worth(self, ms: int) -> float:
        return self.rate * ms / 1000


class Throttled:
    """Which partitions of this node are throttled, by topic name."""

    def __init__(self, node: int) -> None:
        self._node = node
        self._topics: dict[str, frozenset[int] | None] = {}  # None: all partitions

    def __bool__(self) -> bool:
        return bool(self._topics)

    def __contains__(self, key: tuple[str, int]) -> bool:
        topic, index = key
        if topic not in self._topics:
            return False
        indexes = self._topics[topic]
        return indexes is None or index in indexes

    def set(self, topic: str, replicas: Sequence[str]) -> None:
        """replicas: `*`, or pairs PARTITION:BROKER, of which those with this node count; none: not throttled."""
        self._topics.pop(topic, None)
        if EVERYWHERE in replicas:
            self._topics[topic] = None
            return
        pairs = [pair.split(":") for pair in replicas]
        indexes = frozenset(int(index) for index, broker in pairs if int(broker) == self._node)
        if indexes:
            self._topics[topic] = indexes
