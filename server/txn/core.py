"""The core of a shard of __transaction_state: its ledger, what is done when it is loaded, and what is done by time.

A transaction that takes longer than its time-out is aborted. An id that nobody has used for
transactional.id.expiration.ms is forgotten, unless its transaction is open.
Source: KIP-98.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from server.model.coordination import Decision, Entry, Now, Timer
from server.txn import ending, records
from server.txn.ledger import Ledger, SendMarkers
from server.txn.state import PREPARED, Txn

OVERDUE, EXPIRED = "overdue transactions", "expired transactional ids"
BYTES_A_TURN = 256 * 1024  # of the records of one turn; the rest follows in the next one


class Core(Ledger):
    def ended(self, producer_id: int, committed: bool) -> None:
        """Nobody's transaction holds records of this topic."""

    def loaded(self, now: Now) -> Decision[None]:
        """Go on with what was decided and perhaps not written everywhere."""
        markers = [SendMarkers(id_, txn) for id_, txn in self.txns.items() if txn.state in PREPARED]
        timers = (
            Timer(OVERDUE, now.ms + self.settings.overdue_interval_ms),
            Timer(EXPIRED, now.ms + self.settings.expired_interval_ms),
        )
        return Decision((), None, (*timers, *markers))

    def fired(self, key: Hashable, now: Now) -> Decision[None]:
        if key == OVERDUE:
            overdue = (id_ for id_, txn in self.txns.items() if txn.timed_out(now.timestamp_ms))
            return _a_turn(
                OVERDUE, now, self.settings.overdue_interval_ms, overdue, lambda id_: ending.abort(self, now, id_)
            )
        after_ms = self.settings.expiration_ms
        expired = (id_ for id_, txn in self.txns.items() if txn.expired(now.timestamp_ms, after_ms))
        return _a_turn(EXPIRED, now, self.settings.expired_interval_ms, expired, self._forget)

    def _forget(self, transactional_id: str) -> Decision[None]:
        return Decision((records.entry(transactional_id, None, self.level()),), None)

    def listed(self) -> Iterator[tuple[str, Txn]]:
        """All ids, each with where it stands."""
        return iter(self.txns.items())


def _a_turn(
    key: str, now: Now, interval_ms: int, ids: Iterable[str], decide: Callable[[str], Decision[None]]
) -> Decision[None]:
    """Decide about as many ids as one batch has room for; the timer comes again, and at once if there are more."""
    entries: list[Entry] = []
    effects: list[Any] = []
    size = 0
    for id_ in ids:
        if size > BYTES_A_TURN:
            interval_ms = 0
            break
        decision = decide(id_)
        entries += decision.records
        effects += decision.effects
        size += sum(len(key) + len(value or b"") for key, value in decision.records)
    return Decision(tuple(entries), None, (Timer(key, now.ms + interval_ms), *effects))
