"""Who leads a partition, and who may: clean elections, and the replicas that are safe to elect.

A change of brokers is worked out here, partition by partition, into PartitionChangeRecords. Leaders come from the ISR.
A reassignment ends here as well, with whatever change brings the replicas that it waits for into the ISR.
With eligible leader replicas (ELR) the ISR may become empty: replicas that left it while it was smaller than
min.insync.replicas stay electable, for they have every committed record. When nobody eligible is left, the partition
waits until its replicas have shown their logs (recovery.py); where unclean election is allowed, the last known leader
leads again at once, or else any replica.

Source: KIP-966 (ELR, last known leader, unclean recovery), KIP-631, KIP-704 (leader recovery), KIP-858 (directories),
KIP-455 (reassignment).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from server.metadata import settings
from server.metadata.image import RECOVERED, RECOVERING, Image, Partition, Topic
from server.metadata.records import NO_LEADER_CHANGE, PartitionChangeRecord
from server.model.features import DIRECTORIES_SINCE, ELR_VERSION, LEVELS
from server.model.ids import LOST_DIR, NO_LEADER, DirectoryId, NodeId, TopicId

# Older nodes learn from a new leader epoch that the ISR has shrunk.
SHRINK_WITHOUT_EPOCH_SINCE = LEVELS["3.6-IV0"]


class Election(Enum):
    """online: keep the leader while it may lead. preferred: the first replica, if it may. unclean: anybody, at last."""

    ONLINE = "online"
    PREFERRED = "preferred"
    UNCLEAN = "unclean"


@dataclass(frozen=True, slots=True)
class Rules:
    """What an election goes by, besides the partition.

    acceptable  whether a replica's broker can lead now
    min_isr     the topic's min.insync.replicas, or its replication factor where that is less
    elr         whether the cluster keeps eligible leader replicas
    unclean     replicas whose brokers may have lost records, so that they are no longer eligible
    directories whether the cluster keeps the directories of replicas
    compares    whether, when nobody is eligible, logs are compared first. Kafka takes the last known leader, whose disk
                may have lost what another replica has
    longest     the replica that was found to have the longest log
    """

    acceptable: Callable[[NodeId], bool]
    min_isr: int
    elr: bool
    election: Election = Election.ONLINE
    unclean: frozenset[NodeId] = frozenset()
    bump_on_shrink: bool = False
    directories: bool = True
    compares: bool = False
    longest: NodeId | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the replicas of a partition shall be: those that stay, that come (adding) and that will go (removing).

    directories  parallel to `replicas`
    """

    replicas: tuple[NodeId, ...]
    directories: tuple[DirectoryId, ...]
    adding: tuple[NodeId, ...] = ()
    removing: tuple[NodeId, ...] = ()

    @classmethod
    def of(cls, partition: Partition) -> "Target":
        return cls(partition.replicas, partition.directories, partition.adding_replicas, partition.removing_replicas)

    def without(self, gone: Collection[NodeId]) -> "Target":
        """The same without these replicas, and with nothing on its way."""
        left = [at for at, replica in enumerate(self.replicas) if replica not in gone]
        return Target(tuple(self.replicas[at] for at in left), tuple(self.directories[at] for at in left))


@dataclass(frozen=True, slots=True)
class _Outcome:
    leader: NodeId
    isr: tuple[NodeId, ...]
    elr: tuple[NodeId, ...]
    unclean: bool = False


def change(
    topic_id: TopicId,
    index: int,
    before: Partition,
    isr: tuple[NodeId, ...],
    rules: Rules,
    target: Target | None = None,
) -> PartitionChangeRecord | None:
    """The record that brings a partition to this ISR, with the leader and ELR that follow; None if nothing changes.

    target  the replicas to be; default those that are. Completed at once where the ISR suffices
    """
    target, isr = _completed(target or Target.of(before), isr)
    outcome = _elect(before, target.replicas, isr, _eligible(before, target, isr, rules), rules)
    led = outcome.leader != before.leader
    # Who is no replica any more learns from a new leader epoch that it may not fetch.
    bumped = not {*before.replicas} <= {*target.replicas}
    bumped = bumped or (rules.bump_on_shrink and bool(outcome.isr) and not {*before.isr} <= {*outcome.isr})
    moved = target.replicas != before.replicas
    record = PartitionChangeRecord(
        index,
        topic_id,
        isr=_isr(before, outcome, rules),
        leader=outcome.leader if led or bumped else NO_LEADER_CHANGE,
        replicas=target.replicas if moved else None,
        removing_replicas=_new(target.removing, before.removing_replicas),
        adding_replicas=_new(target.adding, before.adding_replicas),
        leader_recovery_state=_recovery(before, outcome),
        directories=target.directories if moved and rules.directories else None,
        eligible_leader_replicas=_new(outcome.elr, before.elr),
        last_known_elr=_last_known(before, outcome, rules),
    )
    return None if record == PartitionChangeRecord(index, topic_id) else record


def _completed(target: Target, isr: tuple[NodeId, ...]) -> tuple[Target, tuple[NodeId, ...]]:
    """End a reassignment whose replicas are in sync: all that come, and where more go than come, all that stay too.

    The second rule keeps a partition from having fewer replicas in sync than were asked for, when its factor sinks.
    """
    if not target.adding and not target.removing:
        return target, isr
    last = target.without(target.removing)
    in_sync = tuple(each for each in isr if each not in target.removing)
    awaited = last.replicas if len(target.adding) < len(target.removing) else target.adding
    if not in_sync or not last.replicas or not {*awaited} <= {*in_sync}:
        return target, isr
    return last, in_sync


def _eligible(before: Partition, target: Target, isr: tuple[NodeId, ...], rules: Rules) -> tuple[NodeId, ...]:
    """Replicas that left the ISR since it was large enough, and that have lost nothing since."""
    if not rules.elr or len(isr) >= rules.min_isr:
        return ()
    candidates = {*before.elr, *before.isr} - {*isr} - rules.unclean
    return tuple(sorted(candidates & {*target.replicas}))


def _elect(
    before: Partition, replicas: tuple[NodeId, ...], isr: tuple[NodeId, ...], elr: tuple[NodeId, ...], rules: Rules
) -> _Outcome:
    """Choose from the ISR; where that is empty from the eligible, then the heir, then, if so told, from all."""
    first = replicas[0] if rules.election is Election.PREFERRED else before.leader
    for candidates in (isr, () if isr else elr):
        up = [each for each in (first, before.leader, *replicas) if each in candidates and rules.acceptable(each)]
        if up and isr:
            return _Outcome(up[0], isr, elr)
        if up:
            return _Outcome(up[0], (up[0],), tuple(each for each in elr if each != up[0]))
    heir = _heir(before, rules) if rules.elr and not isr and not elr else None
    if heir is not None and heir in replicas and rules.acceptable(heir):
        return _Outcome(heir, (heir,), (), unclean=True)
    if rules.election is Election.UNCLEAN:
        leader = next((each for each in replicas if rules.acceptable(each)), None)
        if leader is not None:
            return _Outcome(leader, (leader,), (), unclean=True)
    return _Outcome(NO_LEADER, isr, elr)


def _heir(before: Partition, rules: Rules) -> NodeId | None:
    """Who may lead when nobody is known to have every committed record; None while logs are to be compared."""
    if rules.longest is not None:
        return rules.longest
    if rules.compares and rules.election is not Election.UNCLEAN and len(before.replicas) > 1:
        return None
    return before.last_known_elr[0] if len(before.last_known_elr) == 1 else None


def _isr(before: Partition, outcome: _Outcome, rules: Rules) -> tuple[NodeId, ...] | None:
    """The ISR that is written; without ELR the last member stays, or nobody would know whom to wait for."""
    if outcome.unclean:
        return outcome.isr
    return _new(outcome.isr, before.isr) if outcome.isr or rules.elr else None


def _recovery(before: Partition, outcome: _Outcome) -> int:
    return RECOVERING if outcome.unclean and before.leader_recovery_state == RECOVERED else -1


def _last_known(before: Partition, outcome: _Outcome, rules: Rules) -> tuple[NodeId, ...] | None:
    """Who led last, from when nobody leads until somebody does again. None: unchanged."""
    if outcome.leader != NO_LEADER:
        return _new((), before.last_known_elr)
    if not rules.elr or before.leader == NO_LEADER:
        return None
    return _new((before.leader,), before.last_known_elr)


def _new(now: tuple[NodeId, ...], before: tuple[NodeId, ...]) -> tuple[NodeId, ...] | None:
    return None if now == before else now


def updates(
    image: Image,
    static: settings.Static,
    partitions: Iterable[tuple[Topic, int, Partition]],
    *,
    remove: NodeId | None = None,
    add: NodeId | None = None,
    unclean: NodeId | None = None,
) -> Iterator[PartitionChangeRecord]:
    """What becomes of partitions when one broker comes or goes.

    remove   leaves every ISR, and leads nothing
    add      can lead, although the image still shows it fenced
    unclean  leaves every ISR, and is eligible no more: it stopped without flushing
    """
    gone = {each for each in (remove, unclean) if each is not None}
    lost = frozenset() if unclean is None else frozenset({unclean})
    by_topic: dict[str, Rules] = {}
    for topic, index, partition in partitions:
        if topic.name not in by_topic:
            by_topic[topic.name] = replace(rules_for(image, static, topic.name), unclean=lost)
        rules = replace(by_topic[topic.name], acceptable=acceptor(image, partition, gone, add))
        isr = tuple(each for each in partition.isr if each not in gone)
        record = change(topic.topic_id, index, partition, isr, rules)
        if record is not None:
            yield record


def rules_for(image: Image, static: settings.Static, topic: str) -> Rules:
    """The rules of one topic, by its settings and the cluster's features; every active broker is acceptable."""
    allowed = settings.topic_value(image, static, topic, "unclean.leader.election.enable")
    least = settings.topic_value(image, static, topic, "min.insync.replicas")
    assert isinstance(least, int)
    return Rules(
        image.is_active,
        min(least, len(image.topics[topic].partitions[0].replicas)),  # more than there are can never be in sync
        image.feature(ELR_VERSION) > 0,
        Election.UNCLEAN if allowed else Election.ONLINE,
        bump_on_shrink=image.metadata_version < SHRINK_WITHOUT_EPOCH_SINCE,
        directories=image.metadata_version >= DIRECTORIES_SINCE,
        compares=True,
    )


def acceptor(
    image: Image, partition: Partition, gone: Collection[NodeId] = (), add: NodeId | None = None
) -> Callable[[NodeId], bool]:
    """Which replicas of a partition could lead it now: on live brokers, in directories that are online."""

    def acceptable(replica: NodeId) -> bool:
        if replica in gone or not (replica == add or image.is_active(replica)):
            return False
        return replica not in partition.replicas or is_online(image, partition, replica)

    return acceptable


def is_online(image: Image, partition: Partition, replica: NodeId) -> bool:
    """Whether the directory of a replica is one that its broker has; unknown ones are taken for good."""
    broker = image.brokers[replica]
    directory = partition.directory(replica)
    if directory == LOST_DIR:
        return False
    return directory.int < 100 or not broker.directories or directory in broker.directories


def leads(image: Image, broker_id: NodeId) -> bool:
    """Whether this broker leads any partition."""
    return any(
        partition.leader == broker_id for topic in image.topics.values() for partition in topic.partitions.values()
    )


def in_isr(image: Image, broker_id: NodeId) -> Iterator[tuple[Topic, int, Partition]]:
    """The partitions whose ISR this broker is in."""
    return (each for each in image.all_partitions() if broker_id in each[2].isr)


def in_isr_or_elr(image: Image, broker_id: NodeId) -> Iterator[tuple[Topic, int, Partition]]:
    return (each for each in image.all_partitions() if broker_id in each[2].isr or broker_id in each[2].elr)


def leaderless(image: Image) -> Iterator[tuple[Topic, int, Partition]]:
    return (each for each in image.all_partitions() if each[2].leader == NO_LEADER)
