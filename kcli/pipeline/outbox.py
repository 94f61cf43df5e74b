"""The batches of one partition on their way to its leader: order, sequence numbers, retries. Pure: time is an argument.

A broker takes the batches of a producer only in the order of their sequence numbers, and answers a batch that it has
(one of the last five) as if it had just come. So a batch whose fate is unknown is sent again under its old number, and
can neither be lost nor be there twice. From that follow the rules here:

- A number, once given, stays with its records while their fate is in doubt.
- After a failure nothing more is sent until everything under way has come back; then it goes on in order.
- When a batch is given up, those behind it have numbers that the broker will never accept: the chain is broken. What is
  in doubt is then asked about under its old number first, one by one; the rest is numbered from 0 under the next epoch.
- Behind a batch in doubt nothing is sent but others in doubt: brokers remember five batches, and it has to be among
  them when it comes again.
- A broker that does not know a producer takes any number from it. So the first batch of an epoch goes alone: else the
  second could get into the log when the first was turned away.
- "Out of order" means: not in the log. At the head of the queue it means, too, that the broker has forgotten this
  producer; then the chain is broken as well, and nothing is lost.

Epochs are counted for each partition alone, since brokers keep this state for each partition alone.
Source: KIP-98, KIP-360, KIP-91 (delivery time-out).
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

from kcli.pipeline import decoding
from kcli.pipeline.encoding import NO_PRODUCER, Batch, Open, part_of
from kcli.pipeline.settings import ProducerSettings

MAX_SEQUENCE, MAX_EPOCH = 0x7FFFFFFF, 0x7FFF
UNNAMED = -2  # idempotent, but the brokers have not given an id yet
(CORRUPT_MESSAGE, UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, NOT_LEADER, REQUEST_TIMED_OUT, REPLICA_NOT_AVAILABLE) = (
    2, 3, 5, 6, 7, 9,
)  # fmt: skip
MESSAGE_TOO_LARGE, NETWORK_EXCEPTION, RECORD_LIST_TOO_LARGE = 10, 13, 18
NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND = 19, 20
OUT_OF_ORDER_SEQUENCE, DUPLICATE_SEQUENCE, INVALID_PRODUCER_EPOCH = 45, 46, 47
STORAGE_ERROR, UNKNOWN_PRODUCER_ID, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH = 56, 59, 74, 75
PRODUCER_FENCED, UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID = 90, 100, 103

# Another broker, or a later moment, may take it. STALE: what we know of the cluster is out of date.
STALE = frozenset(
    {
        UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, NOT_LEADER, REPLICA_NOT_AVAILABLE, STORAGE_ERROR, FENCED_LEADER_EPOCH,
        UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID,
    }
)  # fmt: skip
DOUBTFUL = frozenset({REQUEST_TIMED_OUT, NETWORK_EXCEPTION, NOT_ENOUGH_REPLICAS_AFTER_APPEND})  # it may be in the log
PASSING = STALE | DOUBTFUL | {CORRUPT_MESSAGE, NOT_ENOUGH_REPLICAS}
FORGOTTEN = frozenset({OUT_OF_ORDER_SEQUENCE, UNKNOWN_PRODUCER_ID})
FENCED = frozenset({INVALID_PRODUCER_EPOCH, PRODUCER_FENCED})
TOO_LARGE = frozenset({MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE})


class Parcel:
    """A batch in the queue."""

    __slots__ = ("attempts", "batch", "created_ms", "in_doubt", "in_flight", "number")

    def __init__(self, batch: Batch, created_ms: float, number: tuple[int, int, int] | None = None) -> None:
        self.batch, self.created_ms = batch, created_ms
        self.number = number  # producer id, epoch, sequence of the first record
        self.attempts = 0
        self.in_flight = False
        self.in_doubt = False  # it may be in the log


class Outcome(Enum):
    DELIVERED = auto()
    AGAIN = auto()
    FAILED = auto()


class Outbox:
    """The queue of one partition."""

    def __init__(self, topic: str, partition: int, settings: ProducerSettings) -> None:
        self.topic, self.partition, self._settings = topic, partition, settings
        self.key = topic, partition
        self.producer_id = UNNAMED if settings.idempotence else NO_PRODUCER[0]
        self._epoch, self._sequence = 0, 0
        self.open: Open | None = None
        self._opened_ms = 0.0
        self._queue: deque[Parcel] = deque()
        self.held = 0  # bytes of all settled batches
        self._under_way = 0
        self._retry_ms = 0.0
        self._recovering = self._broken = False
        self._known = not settings.idempotence  # a broker knows the producer under its epoch

    # --- what goes in

    def batch(self, now_ms: float, timestamp_ms: int) -> Open:
        """The batch that takes records now."""
        if self.open is None:
            self.open, self._opened_ms = Open(timestamp_ms), now_ms
        return self.open

    def close(self) -> None:
        """Settle the open batch."""
        if self.open and self.open.count:
            settled = self.open.close(self._settings.codec, self._settings.level)
            self._queue.append(Parcel(settled, self._opened_ms))
            self.held += settled.size
        self.open = None

    # --- what goes out

    def idle(self, now_ms: float, *, flush: bool = False) -> bool:
        """Whether nothing is there to be sent: all is under way, or waits for more."""
        if len(self._queue) > self._under_way:
            return False
        return self.open is None or not (flush or now_ms - self._opened_ms >= self._settings.linger_ms)

    @property
    def empty(self) -> bool:
        return not self._queue and self.open is None

    @property
    def needs_id(self) -> bool:
        """It has no producer id yet, or all its epochs are used up."""
        return self.producer_id == UNNAMED or self._epoch > MAX_EPOCH

    def renew(self, producer_id: int, epoch: int) -> None:
        """Go on under another producer id."""
        self.producer_id, self._epoch, self._sequence = producer_id, epoch, 0
        self._known = False

    def take(self, now_ms: float, *, flush: bool = False) -> Parcel | None:
        """The next batch to send now, numbered and marked as under way; None: there is none, or it has to wait."""
        if self.open and (flush or now_ms - self._opened_ms >= self._settings.linger_ms):
            self.close()
        if now_ms < self._retry_ms or not self._queue or self._under_way >= self._window:
            return None
        if self._recovering:
            if self._under_way:
                return None
            doubtful = self._recovered()
            if doubtful:
                return self._send(doubtful)
        if self.needs_id:
            return None
        if len(self._queue) == self._under_way:
            return None
        doubt = False
        for parcel in self._queue:
            if not parcel.in_flight:
                return self._send(parcel) if parcel.in_doubt or not doubt else None
            doubt |= parcel.in_doubt
        return None

    def answered(self, parcel: Parcel, error: int, now_ms: float) -> Outcome:
        """A broker has answered. AGAIN: it stays in the queue; else it has left it."""
        parcel.in_flight = False
        self._under_way -= 1
        if error in (0, DUPLICATE_SEQUENCE):
            self._drop(parcel)
            self._known |= parcel.number is not None and parcel.number[:2] == (self.producer_id, self._epoch)
            return Outcome.DELIVERED
        self._recovering = True
        if error in TOO_LARGE and parcel.batch.count > 1 and not parcel.in_doubt:
            self._split(parcel)  # in doubt, it would not be known again by its halves
            return Outcome.AGAIN
        if parcel.number and error in FORGOTTEN:
            parcel.in_doubt = False
            if self._queue[0] is parcel:
                self._broken = True
            else:
                parcel.attempts -= 1  # it only had to wait for its predecessor
        elif parcel.number and error in FENCED and not parcel.in_doubt:
            self._broken, self._epoch = True, MAX_EPOCH
        elif error in PASSING:
            parcel.in_doubt |= error in DOUBTFUL
            self._wait(parcel, now_ms)
        else:
            return self._give_up(parcel)
        return self._give_up(parcel) if parcel.attempts > self._settings.retries else Outcome.AGAIN

    def lost(self, parcel: Parcel, now_ms: float) -> Outcome:
        """The answer will not come: the connection ended, or the time for it."""
        return self.answered(parcel, NETWORK_EXCEPTION, now_ms)

    def expire(self, now_ms: float) -> list[Parcel]:
        """Give up what has been waiting for too long, except for what is under way."""
        limit = now_ms - self._settings.delivery_ms
        if not self._queue or self._queue[0].created_ms > limit:
            return []
        late = [parcel for parcel in self._queue if parcel.created_ms <= limit and not parcel.in_flight]
        for parcel in late:
            self._give_up(parcel)
        return late

    def moments(self) -> Iterator[float]:
        """When `take` or `expire` may have something to do; moments that are past wait for something else."""
        if self.open:
            yield self._opened_ms + self._settings.linger_ms
        if self._queue:
            yield self._queue[0].created_ms + self._settings.delivery_ms
            yield self._retry_ms

    # --- rules

    @property
    def _window(self) -> int:
        return self._settings.in_flight if self._known else 1

    def _send(self, parcel: Parcel) -> Parcel:
        if parcel.number is None:
            parcel.number = NO_PRODUCER
            if self.producer_id >= 0:
                parcel.number = self.producer_id, self._epoch, self._sequence
                self._sequence = (self._sequence + parcel.batch.count) & MAX_SEQUENCE
        parcel.attempts += 1
        parcel.in_flight = True
        self._under_way += 1
        return parcel

    def _recovered(self) -> Parcel | None:
        """Nothing is under way: mend the chain, or return what has to be asked about before that can be done."""
        if self._broken:
            doubtful = next((parcel for parcel in self._queue if parcel.in_doubt), None)
            if doubtful:
                return doubtful
            self._epoch, self._sequence = self._epoch + 1, 0
            self._known = False
            for parcel in self._queue:
                parcel.number = None
            self._broken = False
        self._recovering = False
        return None

    def _wait(self, parcel: Parcel, now_ms: float) -> None:
        wait = self._settings.retry_backoff_ms << min(max(parcel.attempts - 1, 0), 20)
        self._retry_ms = max(self._retry_ms, now_ms + min(wait, self._settings.retry_backoff_max_ms))

    def _drop(self, parcel: Parcel) -> None:
        self._queue.remove(parcel)
        self.held -= parcel.batch.size

    def _give_up(self, parcel: Parcel) -> Outcome:
        self._drop(parcel)
        if parcel.number and self.producer_id >= 0:
            self._broken = self._recovering = True
        return Outcome.FAILED

    def _split(self, parcel: Parcel) -> None:
        """Put two halves in its place; they share its numbers."""
        records = decoding.whole(parcel.batch)
        middle, at = len(records) // 2, self._queue.index(parcel)
        self._drop(parcel)
        for part, skipped in ((records[middle:], middle), (records[:middle], 0)):
            half = Open(part[0].timestamp_ms)
            for record in part:
                half.add(record.key, record.value, record.headers, record.timestamp_ms)
            half.marks = part_of(parcel.batch.marks, skipped, skipped + len(part))
            number = parcel.number
            if number and number != NO_PRODUCER:
                number = number[0], number[1], (number[2] + skipped) & MAX_SEQUENCE
            settled = half.close(self._settings.codec, self._settings.level)
            self._queue.insert(at, Parcel(settled, parcel.created_ms, number))
            self.held += settled.size
