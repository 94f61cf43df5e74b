"""A fetch session from the side of the one who fetches: tell the leader only what changed since the last request.

Pure. The fetcher says which partitions it wants and from where; `request` makes the next request's part of that, and
`answered` learns from the response how the session goes on. A session begins with a full request (epoch 0); a leader
that has no room for one answers with session id 0, and every request is a full one then. After anything that leaves in
doubt what the leader knows, `reset` begins anew.

Source: KIP-227, KIP-516 (topic ids).
"""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from server.model.errors import ErrorCode
from server.replication.sessions import FIRST_EPOCH, INT_MAX, NO_SESSION
from server.wire.messages.fetch import FetchPartition, FetchResponse, FetchTopic, ForgottenTopic

Key = tuple[UUID, int]  # topic id, partition


class Wanted(NamedTuple):
    """The session's part of one request."""

    session_id: int
    session_epoch: int
    topics: list[FetchTopic]
    forgotten: list[ForgottenTopic]


class FetchSession:
    """Topics are named by id: version 13 of Fetch and later."""

    def __init__(self) -> None:
        self.partitions: dict[Key, FetchPartition] = {}
        self._id, self._epoch = NO_SESSION, FIRST_EPOCH
        self._changed: dict[Key, None] = {}
        self._forgotten: dict[Key, None] = {}

    def want(self, topic_id: UUID, partition: FetchPartition) -> None:
        """Fetch this partition, from where it says, from the next request on."""
        key = topic_id, partition.partition
        if self.partitions.get(key) == partition:
            return
        self.partitions[key] = partition
        self._changed[key] = None
        self._forgotten.pop(key, None)

    def forget(self, key: Key) -> None:
        if self.partitions.pop(key, None) is not None:
            self._changed.pop(key, None)
            self._forgotten[key] = None

    def request(self) -> Wanted:
        """What to send. All that changed till now is in it; the next one brings what changes from here on."""
        full = self._epoch == FIRST_EPOCH
        changed, self._changed = self.partitions if full else self._changed, {}
        forgotten, self._forgotten = {} if full else self._forgotten, {}
        return Wanted(self._id, self._epoch, _topics(self.partitions, changed), _forgotten_topics(forgotten))

    def answered(self, response: FetchResponse) -> bool:
        """Take note of an answer; False: it holds no partitions, for the leader did not know the session."""
        if response.error_code != ErrorCode.NONE:
            self.reset()
            return False
        if response.session_id == NO_SESSION:
            self._id, self._epoch = NO_SESSION, FIRST_EPOCH
        else:
            self._id = response.session_id
            self._epoch = self._epoch + 1 if self._epoch < INT_MAX else FIRST_EPOCH + 1
        return True

    def asked(self, key: Key) -> FetchPartition | None:
        """What the last request asked of a partition; None when that has changed since, and an answer is stale."""
        return None if key in self._changed else self.partitions.get(key)

    def reset(self) -> None:
        """Begin anew; the leader replaces the session that it may still have, if it is named."""
        self._epoch = FIRST_EPOCH


def _topics(partitions: dict[Key, FetchPartition], keys: Iterable[Key]) -> list[FetchTopic]:
    topics: dict[UUID, list[FetchPartition]] = {}
    for key in keys:
        topics.setdefault(key[0], []).append(partitions[key])
    return [FetchTopic("", topic_id, rows) for topic_id, rows in topics.items()]


def _forgotten_topics(keys: Iterable[Key]) -> list[ForgottenTopic]:
    topics: dict[UUID, list[int]] = {}
    for topic_id, index in keys:
        topics.setdefault(topic_id, []).append(index)
    return [ForgottenTopic("", topic_id, rows) for topic_id, rows in topics.items()]
