"""Loader: from committed batches of the metadata log to images, with transactions shown whole or not at all.

Between a BeginTransactionRecord and its end nothing is published, however many batches it takes; an aborted one leaves
nothing. Every node that reads the log has one.

Source: KIP-868.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from server.metadata.delta import Delta, Inconsistent
from server.metadata.image import Image
from server.metadata.records import AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, Record

K = TypeVar("K")
Published = tuple[Delta, Image]


class Loader:
    def __init__(self, image: Image | None = None) -> None:
        self.image = Image() if image is None else image
        self._delta = Delta(self.image)
        self._in_transaction = False

    def batch(self, base_offset: int, epoch: int, timestamp_ms: int, records: Sequence[Record]) -> list[Published]:
        """Replay one committed batch; what it completes comes back: usually one change, none inside a transaction.

        base_offset  of the first record; a batch of control records is given as an empty one, with its last offset
        raises       Inconsistent: a record does not fit, or a transaction is not framed well
        """
        published: list[Published] = []
        for offset, record in enumerate(records, base_offset):
            match record:
                case BeginTransactionRecord():
                    if self._in_transaction:
                        raise Inconsistent(f"a transaction begins at {offset} inside another")
                    if offset > base_offset:
                        published.append(self._publish(offset - 1, epoch, timestamp_ms))
                    self._in_transaction = True
                case EndTransactionRecord() | AbortTransactionRecord():
                    if not self._in_transaction:
                        raise Inconsistent(f"a transaction ends at {offset} that never began")
                    self._in_transaction = False
                    if isinstance(record, AbortTransactionRecord):
                        self._delta = Delta(self.image)
                case _:
                    self._delta.replay(record)
        if not self._in_transaction:
            published.append(self._publish(base_offset + max(len(records) - 1, 0), epoch, timestamp_ms))
        return published

    def snapshot(self, records: Iterable[Record], offset: int, epoch: int, timestamp_ms: int) -> Published:
        """Forget what was, and take the image that a snapshot holds; `offset` is of the last record it covers.

        The delta still says what differs from before: it is taken against the image that this loader had.
        """
        fresh = Delta(Image())
        for record in records:
            fresh.replay(record)
        image = fresh.image(offset, epoch, timestamp_ms)
        delta = difference(self.image, image)
        self.image, self._delta, self._in_transaction = image, Delta(image), False
        return delta, image

    def _publish(self, offset: int, epoch: int, timestamp_ms: int) -> Published:
        delta, image = self._delta, self._delta.image(offset, epoch, timestamp_ms)
        self.image, self._delta = image, Delta(image)
        return delta, image


def difference(old: Image, new: Image) -> Delta:
    """A Delta over `old` that says what is not the same in `new`. Its own image is not to be taken."""
    delta = Delta(old)
    delta.topics_created |= new.topic_names.keys() - old.topic_names.keys()
    for topic_id, name in old.topic_names.items():
        if topic_id not in new.topic_names:
            delta.topics_deleted[topic_id] = old.topics[name]
    for topic in new.topics.values():
        before = old.topic_of(topic.topic_id)
        known = {} if before is None else before.partitions
        if topic.partitions is not known:
            found = {index for index, each in topic.partitions.items() if known.get(index) != each}
            if found:
                delta.partitions_changed[topic.topic_id] = found
    delta.configs_changed |= _unlike(old.configs, new.configs)
    delta.brokers_changed |= _unlike(old.brokers, new.brokers)
    delta.controllers_changed |= _unlike(old.controllers, new.controllers)
    delta.features_changed |= _unlike(old.features, new.features)
    delta.quotas_changed |= _unlike(old.quotas, new.quotas)
    delta.scram_changed |= _unlike(old.scram, new.scram)
    delta.acls_changed = old.acls != new.acls
    delta.tokens_changed = old.tokens != new.tokens
    return delta


def _unlike(old: Mapping[K, object], new: Mapping[K, object]) -> set[K]:
    """The keys whose values differ, or that only one of the two has."""
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
