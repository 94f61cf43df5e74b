"""What the cores of the coordinators have in common: decisions, their effects, and the two clocks.

A coordinator decides, then replays: a decision is a function of the core and of the request; its records are appended
to the shard's partition as one batch, replayed into the core, and answered once they are committed. What does not
stand in records (who waits, sessions, a rebalance under way) is soft: a decision may change it at once, and it is
gone after a failover. It must hold as well when the records of the decision cannot be appended.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

R_co = TypeVar("R_co", covariant=True)


class Entry(NamedTuple):
    """One coordinator record, encoded; `value` None is a tombstone."""

    key: bytes
    value: bytes | None


class Now(NamedTuple):
    """ms: monotonic, for timers. timestamp_ms: the wall clock, for records."""

    ms: int
    timestamp_ms: int


class Producer(NamedTuple):
    """Whose transaction a batch belongs to."""

    id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a parked request, once everything that is appended by now is committed."""

    token: int
    response: Any


@dataclass(frozen=True, slots=True)
class Timer:
    """Call `fired(key)` at `at_ms` (monotonic); in place of an earlier timer of this key."""

    key: Hashable
    at_ms: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """There is nothing to be fired for this key any more."""

    key: Hashable


@dataclass(frozen=True, slots=True)
class Decision(Generic[R_co]):
    """
    records   appended as one batch, all or none
    response  given at commit. None to one who may be parked: an Answer will come
    effects   Timer and Cancel at once, Answer at commit; any other kind goes to the coordinator's own shell at commit.
              Where the records cannot be appended, each Answer becomes that refusal, and other kinds are dropped
    producer  makes the batch one of this producer's transaction
    """

    records: tuple[Entry, ...]
    response: R_co
    effects: tuple[Any, ...] = ()
    producer: Producer | None = None


class Core(Protocol):
    """What a shard asks of its core. Synchronous and pure."""

    def replay(self, entry: Entry, offset: int, producer_id: int) -> None:
        """Take in a record that stands in the log at `offset`.

        producer_id  whose open transaction it is part of; -1: nobody's
        """
        ...

    def ended(self, producer_id: int, committed: bool) -> None:
        """Take in the end of a producer's transaction: what it wrote here counts now, or never did."""
        ...

    def loaded(self, now: Now) -> Decision[None]:
        """The whole log is replayed, and requests are about to come: set the timers."""
        ...

    def fired(self, key: Hashable, now: Now) -> Decision[None]:
        """The timer of this key is due. Where its records cannot be appended, it fires again a little later."""
        ...
