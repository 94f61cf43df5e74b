"""Committed offsets: the store, which is replayed from the log, and what is decided about it.

Offsets that are committed in a transaction are pending until its marker comes. Then they count, unless an offset that
stands later in the log was committed outside of it meanwhile.

Source: KIP-98 (transactional offsets), KIP-211 (expiry), KIP-320 (leader epochs), KIP-447 (require_stable), KIP-496
(OffsetDelete), KIP-848 (topic ids).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

from server.groups.records import EXPIRING, NO_TIMESTAMP, TYPES, OffsetCommitKey, OffsetCommitValue
from server.model.coordination import Entry
from server.model.ids import ZERO_UUID

ByTopic = dict[str, dict[int, "Committed"]]


class Committed(NamedTuple):
    """stands_at: the offset of its record in the log; times are ms."""

    offset: int
    leader_epoch: int
    metadata: str
    timestamp_ms: int
    expires_ms: int = NO_TIMESTAMP
    topic_id: UUID = ZERO_UUID
    stands_at: int = -1


def record(group: str, topic: str, partition: int, committed: Committed) -> Entry:
    value = OffsetCommitValue(
        committed.offset,
        committed.metadata,
        committed.timestamp_ms,
        committed.leader_epoch,
        committed.expires_ms,
        committed.topic_id,
    )
    version = None if committed.expires_ms == NO_TIMESTAMP else EXPIRING
    return TYPES.entry(OffsetCommitKey(group, topic, partition), value, version)


def tombstone(group: str, topic: str, partition: int) -> Entry:
    return TYPES.entry(OffsetCommitKey(group, topic, partition), None)


class OffsetStore:
    def __init__(self) -> None:
        self._groups: dict[str, ByTopic] = {}
        self._pending: dict[int, dict[str, ByTopic]] = {}  # producer id -> group -> ...
        self._open: dict[str, set[int]] = {}  # group -> producers with pending offsets

    # what is there

    def find(self, group: str, topic: str, partition: int) -> Committed | None:
        return self._groups.get(group, {}).get(topic, {}).get(partition)

    def of(self, group: str) -> ByTopic:
        return self._groups.get(group, {})

    def is_pending(self, group: str, topic: str, partition: int) -> bool:
        return any(partition in self._pending[producer][group].get(topic, ()) for producer in self._open.get(group, ()))

    def in_transactions(self, group: str) -> bool:
        return group in self._open

    def everything(self, group: str) -> Iterator[tuple[str, int]]:
        """Every partition that has an offset, committed or pending; each once."""
        seen = {(topic, index) for topic, rows in self.of(group).items() for index in rows}
        for producer in self._open.get(group, ()):
            seen |= {(topic, index) for topic, rows in self._pending[producer][group].items() for index in rows}
        return iter(sorted(seen))

    def groups(self) -> Iterable[str]:
        """Groups with offsets, committed or pending."""
        return self._groups.keys() | self._open.keys()

    # what the log says

    def replay(self, key: OffsetCommitKey, value: OffsetCommitValue | None, stands_at: int, producer_id: int) -> None:
        if value is None:
            self._remove(key)
            return
        committed = Committed(
            value.offset,
            value.leader_epoch,
            value.metadata,
            value.commit_timestamp,
            value.expire_timestamp,
            value.topic_id,
            stands_at,
        )
        groups = self._groups
        if producer_id >= 0:
            groups = self._pending.setdefault(producer_id, {})
            self._open.setdefault(key.group, set()).add(producer_id)
        groups.setdefault(key.group, {}).setdefault(key.topic, {})[key.partition] = committed

    def _remove(self, key: OffsetCommitKey) -> None:
        """A tombstone takes the pending offsets, too."""
        places = [self._groups.get(key.group), *(self._pending[p][key.group] for p in self._open.get(key.group, ()))]
        for topics in places:
            if topics is not None and key.topic in topics:
                topics[key.topic].pop(key.partition, None)
                if not topics[key.topic]:
                    del topics[key.topic]
        if key.group in self._groups and not self._groups[key.group]:
            del self._groups[key.group]

    def ended(self, producer_id: int, committed: bool) -> None:
        for group, topics in self._pending.pop(producer_id, {}).items():
            self._open[group].discard(producer_id)
            if not self._open[group]:
                del self._open[group]
            for topic, rows in topics.items() if committed else ():
                for partition, pending in rows.items():
                    known = self.find(group, topic, partition)
                    if known is None or pending.stands_at > known.stands_at:
                        self._groups.setdefault(group, {}).setdefault(topic, {})[partition] = pending
