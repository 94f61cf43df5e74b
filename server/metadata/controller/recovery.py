"""Unclean recovery: which replica leads when the book names none that has every committed record.

A partition is lost when its ISR and its eligible replicas are all gone: each of them restarted uncleanly, so that its
disk may lack what it had acknowledged. Kafka 4.3 then elects the last known leader as soon as it is back. If that was
the one whose power failed, records are gone that a replica whose process was merely killed still has. So a lost
partition waits for its replicas, and the one with the longest log leads, as Raft would choose: the later last epoch,
or of two equal ones the later end. A record that was acknowledged is in the log of at least one replica that lost
nothing; a log that is longer than that one contains it, for what has a later epoch was written on top of it.

Each replica is waited for as long as the last known leader is away, and unclean.recovery.timeout.ms longer: a host that
is gone for good must not keep a partition down, and without the last known leader Kafka would not elect either. A
broker that does not know GetReplicaLogInfo, as Apache Kafka's, is not compared; as the last known leader it leads.

`unclean.leader.election.enable` and an unclean election by command skip all of this. So does a single replica.

Pure. `is_lost` and `is_due` say when to ask, `choose` judges the answers, `elect` decides.
Source: KIP-966, part 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from server.metadata import settings
from server.metadata.controller import elections
from server.metadata.controller.decision import Decision
from server.metadata.image import Image, Partition
from server.metadata.records import PartitionChangeRecord
from server.model.ids import NO_LEADER, BrokerEpoch, NodeId, TopicId

Key = tuple[TopicId, int]


class LogEnd(NamedTuple):
    """Where a replica's log ends: the epoch of its last record (-1 for none), and the offset of the next one."""

    last_epoch: int
    end_offset: int


@dataclass(frozen=True, slots=True)
class Answers:
    """What the live replicas of one partition said.

    ends       by the brokers that told
    strangers  brokers that do not know the question
    missing    whether one that was asked has not told yet, or could not
    """

    ends: Mapping[NodeId, LogEnd]
    strangers: frozenset[NodeId] = frozenset()
    missing: bool = False


class Choice(NamedTuple):
    """Who is to lead, if its broker is still in the registration, and the partition in the state, that it told of."""

    leader: NodeId
    broker_epoch: BrokerEpoch
    partition_epoch: int


def is_lost(partition: Partition) -> bool:
    """Whether nobody leads, and nobody is known to have every committed record."""
    return partition.leader == NO_LEADER and not partition.isr and not partition.elr and len(partition.replicas) > 1


def live(image: Image, partition: Partition) -> tuple[NodeId, ...]:
    """The replicas that could lead now, and be asked."""
    acceptable = elections.acceptor(image, partition)
    return tuple(each for each in partition.replicas if acceptable(each))


def leader_is_back(image: Image, partition: Partition) -> bool:
    """Whether the last known leader could lead; where none is known, all replicas are waited for."""
    return bool(partition.last_known_elr) and {*partition.last_known_elr} <= {*live(image, partition)}


def is_due(image: Image, partition: Partition, waited_ms: int | None, timeout_ms: int) -> bool:
    """Whether the logs are to be compared now. waited_ms: since the last known leader is back; None: it is not."""
    return len(live(image, partition)) == len(partition.replicas) or (waited_ms is not None and waited_ms >= timeout_ms)


def choose(partition: Partition, answers: Answers, *, late: bool) -> NodeId | None:
    """The replica to elect; None: go on waiting. late: do not wait for what is missing."""
    last_known = partition.last_known_elr[0] if partition.last_known_elr else None
    if last_known in answers.strangers:
        return last_known
    if not answers.ends or (answers.missing and not late):
        return None

    def rank(replica: NodeId) -> tuple[LogEnd, bool, int]:
        return answers.ends[replica], replica == last_known, -partition.replicas.index(replica)

    return max(answers.ends, key=rank)


def elect(image: Image, static: settings.Static, choices: Mapping[Key, Choice]) -> Decision[None]:
    """Let those that were chosen lead, where nothing has changed since they were asked."""
    records: list[PartitionChangeRecord] = []
    for (topic_id, index), choice in choices.items():
        topic, partition = image.topic_of(topic_id), image.partition(topic_id, index)
        broker = image.brokers.get(choice.leader)
        if topic is None or partition is None or broker is None or broker.epoch != choice.broker_epoch:
            continue
        if not is_lost(partition) or partition.partition_epoch != choice.partition_epoch:
            continue
        rules = elections.rules_for(image, static, topic.name)
        rules = replace(rules, acceptable=elections.acceptor(image, partition), elr=True, longest=choice.leader)
        record = elections.change(topic_id, index, partition, (), rules)
        if record is not None:
            records.append(record)
    return Decision(tuple(records), None)
