"""Fetch sessions: a client names its partitions once, and then only what changes; so does the broker.

Pure. `plan` turns a request into the partitions to read, `Plan.changed` keeps of their answers what the client does not
know yet. A session has an id that the broker drew and an epoch that both count up with each request; a request with the
wrong one is refused, and the client begins again with a full request.

A session outlives its connection, so their number is limited (max.incremental.fetch.session.cache.slots). A follower's
session may push out any consumer's; a consumer's may push out one that was not used for two minutes, or one that is
older than that and smaller than itself. Who gets no slot gets full answers and session id 0.

Source: KIP-227, KIP-516 (topic ids).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from server.model.errors import ErrorCode, Rejected
from server.wire.messages.fetch import FetchPartition, FetchRequest, PartitionData

NO_SESSION = 0
FIRST_EPOCH, FINAL_EPOCH = 0, -1
EVICTABLE_AFTER_MS = 120_000
MAX_PARTITIONS = 100_000  # in one session; a request for more gets full answers
INT_MAX = 2**31 - 1
NEVER_SENT = -1

Key = tuple[str | UUID, int]  # topic name or id, partition


@dataclass(slots=True)
class Tracked:
    """One partition that a client wants, and what of it the client was told.

    heard     whether it may be counted on to know that. A follower that lists a partition again may have begun to want
              another thing while the last answer was on its way, and have thrown that away
    looked    whatever the shell keeps of its last look, so that the next one is quick; None: look closely
    """

    topic: str
    topic_id: UUID
    want: FetchPartition
    hw: int = NEVER_SENT
    log_start_offset: int = NEVER_SENT
    heard: bool = False
    looked: Any = None

    def lags(self, row: PartitionData) -> bool:
        """Whether a follower that holds all records should hear at once what `row` says beside them."""
        return self.hw != NEVER_SENT and (self.hw < row.high_watermark or self.log_start_offset < row.log_start_offset)

    def told(self, row: PartitionData) -> bool:
        """Remember what `row` tells; whether any of it is news."""
        news = bool(
            row.records
            or not self.heard
            or row.error_code
            or row.high_watermark != self.hw
            or row.log_start_offset != self.log_start_offset
            or row.preferred_read_replica != -1
            or row.diverging_epoch.epoch != -1
        )
        # What comes after an error is news even if it is what was told before it; a follower whose log diverges cuts
        # it, and believes nothing else that came with that.
        unheard = row.error_code or row.diverging_epoch.end_offset >= 0
        self.hw = NEVER_SENT if unheard else row.high_watermark
        self.log_start_offset = row.log_start_offset
        self.heard = True
        return news


@dataclass(slots=True, eq=False)
class Session:
    id: int
    by_id: bool
    is_follower: bool
    created_ms: int
    used_ms: int
    epoch: int = FIRST_EPOCH + 1  # of the next request
    partitions: dict[Key, Tracked] = field(default_factory=dict)

    def update(self, request: FetchRequest) -> None:
        """Take over what an incremental request adds, changes and forgets."""
        for key, tracked in _wanted(request, self.by_id):
            known = self.partitions.get(key)
            if known is None:
                self.partitions[key] = tracked
            else:
                known.want = tracked.want
                known.heard = known.heard and not self.is_follower
        for topic in request.forgotten_topics_data:
            for index in topic.partitions:
                self.partitions.pop((topic.topic_id if self.by_id else topic.topic, index), None)


@dataclass(slots=True)
class Plan:
    """What to read for one request, in order, and whose session it is. session None: answer with session id 0."""

    partitions: Sequence[Tracked]
    session: Session | None
    full: bool

    @property
    def session_id(self) -> int:
        return NO_SESSION if self.session is None else self.session.id

    def changed(self, rows: Sequence[PartitionData | None]) -> Sequence[tuple[Tracked, PartitionData]]:
        """Of the answers, parallel to `partitions`, those that the client must see; None: as it was told before.

        Partitions that gave records move behind the others, so that each gets its turn when answers are full.
        """
        answered = [(tracked, row) for tracked, row in zip(self.partitions, rows, strict=True) if row is not None]
        if self.session is None:
            return answered
        kept = [pair for pair in answered if pair[0].told(pair[1]) or self.full]
        tracked = self.session.partitions
        for partition, row in kept:
            if row.records:
                key = _key(partition, self.session.by_id)
                if tracked.get(key) is partition:
                    tracked[key] = tracked.pop(key)
        return kept


class Sessions:
    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._sessions: dict[int, Session] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._sessions)

    def plan(
        self, request: FetchRequest, *, by_id: bool, is_follower: bool, now_ms: int, draw: Callable[[int], int]
    ) -> Plan:
        """Find out what `request` wants.

        by_id   whether it names topics by id (version 13 and later)
        draw    a uniform draw from [0, n)
        raises  Rejected: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR
        """
        if request.session_epoch in (FIRST_EPOCH, FINAL_EPOCH):
            self._sessions.pop(request.session_id, None)
            wanted = dict(_wanted(request, by_id))
            session = None
            if request.session_epoch == FIRST_EPOCH and wanted and self._make_room(len(wanted), is_follower, now_ms):
                session = Session(self._new_id(draw), by_id, is_follower, now_ms, now_ms, partitions=wanted)
                self._sessions[session.id] = session
            return Plan(tuple(wanted.values()), session, full=True)
        session = self._sessions.get(request.session_id)
        if session is None:
            raise Rejected(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != request.session_epoch:
            raise Rejected(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.by_id != by_id:
            raise Rejected(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        session.update(request)
        del self._sessions[session.id]
        if not session.partitions or len(session.partitions) > MAX_PARTITIONS:
            return Plan(tuple(session.partitions.values()), None, full=True)
        self._sessions[session.id] = session
        session.used_ms = now_ms
        session.epoch = session.epoch + 1 if session.epoch < INT_MAX else FIRST_EPOCH + 1
        return Plan(tuple(session.partitions.values()), session, full=False)

    def _make_room(self, size: int, is_follower: bool, now_ms: int) -> bool:
        if size > MAX_PARTITIONS or self._slots <= 0:
            return False
        if len(self._sessions) < self._slots:
            return True
        oldest = next(iter(self._sessions.values()))
        if now_ms - oldest.used_ms > EVICTABLE_AFTER_MS:
            del self._sessions[oldest.id]
            return True
        evictable = [
            s
            for s in self._sessions.values()
            if not s.is_follower and (is_follower or now_ms - s.created_ms > EVICTABLE_AFTER_MS)
        ]
        smallest = min(evictable, key=lambda s: len(s.partitions), default=None)
        if smallest is None or (not is_follower and len(smallest.partitions) >= size):
            return False
        del self._sessions[smallest.id]
        return True

    def _new_id(self, draw: Callable[[int], int]) -> int:
        while True:
            id_ = draw(INT_MAX) + 1
            if id_ not in self._sessions:
                return id_


def _wanted(request: FetchRequest, by_id: bool) -> Iterator[tuple[Key, Tracked]]:
    for topic in request.topics:
        name = topic.topic_id if by_id else topic.topic
        for want in topic.partitions:
            yield (name, want.partition), Tracked(topic.topic, topic.topic_id, want)


def _key(partition: Tracked, by_id: bool) -> Key:
    return partition.topic_id if by_id else partition.topic, partition.want.partition
