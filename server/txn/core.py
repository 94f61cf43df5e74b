"""The core of a shard of __transaction_state: its ledger, what is done when it is loaded, and what is done by time.

A transaction that takes longer than its time-out is aborted. An id that nobody has used for
transactional.id.expiration.ms is forgotten, unless its transaction is open.
Source: KIP-98; KIP-1058 and KAFKA-6951 are why the forgetting is bounded.
"""

from collections.abc import Hashable, Iterable, Iterator

from server.model.coordination import Decision, Entry, Now, Timer
from server.txn import ending, records
from server.txn.ledger import Ledger, SendMarkers
from server.txn.state import PREPARED, State, Txn

OVERDUE, EXPIRED = "overdue transactions", "expired transactional ids"
A_TURN = 200  # ids that one batch says something of
BYTES_A_TURN = 256 * 1024


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
        return self._abort_overdue(now) if key == OVERDUE else self._forget_expired(now)

    def _abort_overdue(self, now: Now) -> Decision[None]:
        overdue = (id_ for id_, txn in self.txns.items() if txn.timed_out(now.timestamp_ms))
        chosen, more = _a_turn(overdue)
        aborted = [ending.abort(self, now, id_) for id_ in chosen]
        again = Timer(OVERDUE, now.ms if more else now.ms + self.settings.overdue_interval_ms)
        effects = tuple(effect for decision in aborted for effect in decision.effects)
        return Decision(tuple(entry for decision in aborted for entry in decision.records), None, (again, *effects))

    def _forget_expired(self, now: Now) -> Decision[None]:
        after_ms = self.settings.expiration_ms
        expired = (id_ for id_, txn in self.txns.items() if txn.expired(now.timestamp_ms, after_ms))
        chosen, more = _a_turn(expired)
        again = Timer(EXPIRED, now.ms if more else now.ms + self.settings.expired_interval_ms)
        return Decision(tuple(self._forgotten(id_) for id_ in chosen), None, (again,))

    def _forgotten(self, transactional_id: str) -> Entry:
        return records.entry(transactional_id, None, self.level())

    def listed(self) -> Iterator[tuple[str, Txn]]:
        """All ids that are not about to be forgotten."""
        return ((id_, txn) for id_, txn in self.txns.items() if txn.state is not State.DEAD)


def _a_turn(ids: Iterable[str]) -> tuple[list[str], bool]:
    """As many as fit into one batch, and whether there are more."""
    chosen: list[str] = []
    size = 0
    for each in ids:
        size += len(each)
        if len(chosen) == A_TURN or (chosen and size > BYTES_A_TURN):
            return chosen, True
        chosen.append(each)
    return chosen, False
