"""Shards: all partitions of a coordinator's topic that this broker leads, and which of them a key belongs to.

What a shard does is in shard.py. A broker tells its Shards of every change of a role, and they follow.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from server.broker.partition import Partition
from server.broker.shard import Shard, ShardSettings, State
from server.model.coordination import Core
from server.model.errors import ErrorCode, Rejected
from server.ports import Clock

__all__ = ["Shard", "ShardSettings", "Shards", "State", "java_hash"]

C = TypeVar("C", bound=Core)


class Shards(Generic[C]):
    """The shards of one coordinator's topic on this broker."""

    def __init__(
        self,
        topic: str,
        make_core: Callable[[], C],
        clock: Clock,
        settings: ShardSettings,
        partitions: Callable[[], int],
        perform: Callable[[Shard[C], Any], None] = lambda shard, effect: None,
    ) -> None:
        """partitions: how many the topic has, or will have. perform: see Shard."""
        self.topic = topic
        self._make_core, self._clock, self._settings = make_core, clock, settings
        self._partitions, self._perform = partitions, perform
        self._shards: dict[int, Shard[C]] = {}

    def partition_for(self, key: str) -> int:
        return java_hash(key) % self._partitions()

    def of(self, key: str) -> Shard[C]:
        """The shard that a group, or a transactional id, belongs to. Raises Rejected: NOT_COORDINATOR,
        COORDINATOR_LOAD_IN_PROGRESS."""
        return self.at(self.partition_for(key))

    def at(self, index: int) -> Shard[C]:
        """The shard of a partition. Raises Rejected, as `of`."""
        shard = self._shards.get(index)
        if shard is None:
            raise Rejected(ErrorCode.NOT_COORDINATOR)
        shard.check()
        return shard

    def __iter__(self) -> Iterator[Shard[C]]:
        """All shards of this broker, in order; those that load, too."""
        return iter([self._shards[index] for index in sorted(self._shards)])

    # what the broker tells

    def assigned(self, partition: Partition) -> None:
        """This partition's role may have changed."""
        shard = self._shards.get(partition.index)
        leads = partition.leader is not None and not partition.log.failed
        if shard is not None and (
            not leads or shard.epoch != partition.leader_epoch or shard.partition is not partition
        ):
            self.removed(partition.index)
            shard = None
        if leads and shard is None:
            shard = Shard(partition, self._make_core(), self._clock, self._settings, self._perform)
            self._shards[partition.index] = shard
            shard.start()

    def removed(self, index: int) -> None:
        shard = self._shards.pop(index, None)
        if shard is not None:
            shard.close()

    def close(self) -> None:
        for index in list(self._shards):
            self.removed(index)


def java_hash(text: str) -> int:
    """Java's String.hashCode over UTF-16, without its sign bit: what places a group in its topic."""
    value = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        value = (31 * value + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return value & 0x7FFFFFFF
