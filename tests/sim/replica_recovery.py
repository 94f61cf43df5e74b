"""Unclean recovery for replica_world: the production's choice, and the answer that each replica would give."""

from collections.abc import Mapping
from typing import Protocol

from server.broker.partition import Partition
from server.handlers.get_replica_log_info import tell_one
from server.metadata.controller import recovery
from server.metadata.controller.recovery import Answers, Choice, LogEnd
from server.metadata.image import Image
from server.metadata.records import Record
from server.model.ids import NodeId, TopicId


class Holder(Protocol):
    @property
    def partition(self) -> Partition | None: ...


def recovered(
    image: Image, static: Mapping[str, str], topic: TopicId, replicas: Mapping[NodeId, Holder]
) -> tuple[Record, ...]:
    """The records that let the longest log of a lost partition lead; none while a replica is away, or behind."""
    found = image.partition(topic, 0)
    if found is None or not recovery.is_lost(found) or not recovery.is_due(image, found, None, 0):
        return ()
    ends = {}
    for node, replica in replicas.items():
        told = None if replica.partition is None else tell_one(replica.partition)
        if told is not None and told.current_leader_epoch >= found.leader_epoch:
            ends[node] = LogEnd(told.last_written_leader_epoch, told.log_end_offset)
    leader = recovery.choose(found, Answers(ends, missing=len(ends) < len(replicas)), late=False)
    if leader is None:
        return ()
    choice = Choice(leader, image.brokers[leader].epoch, found.partition_epoch)
    return recovery.elect(image, static, {(topic, 0): choice}).records
