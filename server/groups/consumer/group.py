"""ConsumerGroup: a consumer group of KIP-848, as its records say that it is.

A group has three epochs. The group epoch rises with each change of the members, of their subscriptions, or of the
topics; the target assignment is that of an epoch, and follows; each member has its own, and comes to that of the
target assignment as fast as partitions are given up.

Nothing of a group changes but by records, except `stale`.
Source: KIP-848.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Protocol
from uuid import UUID

from server.groups.consumer import records as r
from server.groups.consumer.member import NOTHING, Member, Place, Places, State, by_topic
from server.groups.group import Turn
from server.model.coordination import Entry
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.consumer_group_describe import Assignment, DescribedGroup, TopicPartitions
from server.wire.messages.consumer_group_describe import Member as DescribedMember

EMPTY, ASSIGNING, RECONCILING, STABLE = "Empty", "Assigning", "Reconciling", "Stable"
NEW_PROTOCOL = 1  # a member's type


class Topic(Protocol):
    """What a group needs to know of a topic."""

    @property
    def topic_id(self) -> UUID: ...

    @property
    def partitions(self) -> Mapping[int, Any]: ...


Topics = Callable[[], Mapping[str, Topic]]  # all that exist at the moment, by name


class ConsumerGroup:
    """
    epoch          of the group; metadata_hash: of its topics then
    targets        the target assignment of target_epoch, by member
    owners         who has a partition, or has not given it up yet
    regexes        what the expressions of members stand for
    stale          topics may have changed since the hash was made
    """

    kind = "Consumer"

    def __init__(self, group_id: str, topics: Topics) -> None:
        self.group_id, self.topics = group_id, topics
        self.epoch = self.metadata_hash = 0
        self.target_epoch = self.target_timestamp_ms = 0
        self.targets: dict[str, Places] = {}
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}  # instance id -> member id
        self.owners: dict[Place, str] = {}
        self.regexes: dict[str, frozenset[str]] = {}
        self.stale = True

    # what it is

    @property
    def protocol_type(self) -> str:
        return "consumer"

    @property
    def empty(self) -> bool:
        return not self.members

    @property
    def state_name(self) -> str:
        if not self.members:
            return EMPTY
        if self.epoch > self.target_epoch:
            return ASSIGNING
        settled = all(member.reached(self.target_epoch) for member in self.members.values())
        return STABLE if settled else RECONCILING

    def target(self, member_id: str) -> Places:
        return self.targets.get(member_id, NOTHING)

    # checks

    def check_commit(
        self,
        member_id: str,
        instance_id: str | None,
        generation: int,
        *,
        transactional: bool,
        partitions: Iterable[tuple[str, int]] = (),
    ) -> None:
        """Raises Rejected: UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH.

        A member that has come to another epoch may still commit in the former one what it has had since then.
        """
        if generation < 0 and (self.empty or (transactional and not member_id and instance_id is None)):
            return
        member = self.known(member_id)
        if generation == member.epoch:
            return
        topics = self.topics()
        for name, index in partitions:
            topic = topics.get(name)
            since = None if topic is None else member.assigned.get((topic.topic_id, index))
            if generation > member.epoch or since is None or generation < since:
                raise _stale(generation, member)
        if generation > member.epoch:
            raise _stale(generation, member)

    def check_fetch(self, member_id: str | None, member_epoch: int) -> None:
        """Raises Rejected: UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH."""
        if member_epoch < 0 and member_id is None:
            return
        member = self.known(member_id or "")
        if member_epoch != member.epoch:
            raise _stale(member_epoch, member)

    def known(self, member_id: str) -> Member:
        """Raises Rejected(UNKNOWN_MEMBER_ID)."""
        member = self.members.get(member_id)
        if member is None:
            message = f"Member {member_id} is not a member of group {self.group_id}."
            raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID, message)
        return member

    def check_delete(self) -> None:
        """Raises Rejected(NON_EMPTY_GROUP)."""
        if self.members:
            raise Rejected(ErrorCode.NON_EMPTY_GROUP)

    def check_offset_delete(self) -> None:
        """Subscriptions are known: each topic can be told."""

    def subscribed_to(self, topic: str) -> bool:
        return any(topic in names(member, self.regexes) for member in self.members.values())

    def unused_since(self, commit_timestamp_ms: int) -> int | None:
        return commit_timestamp_ms

    def committed(self, turn: Turn, member_id: str) -> None:
        """Heartbeats alone tell that a member is alive."""

    # records

    def tombstones(self) -> list[Entry]:
        entry, group_id = r.CONSUMER_TYPES.entry, self.group_id
        gone = [row for member_id in self.members for row in member_tombstones(group_id, member_id)]
        gone += [entry(r.RegexKey(group_id, regex), None) for regex in self.regexes]
        return [*gone, entry(r.TargetEpochKey(group_id), None), entry(r.EpochKey(group_id), None)]

    def replay(self, key: r.GroupKey, value: Any) -> None:
        """A record of this group, other than the end of it."""
        match key:
            case r.EpochKey() if value is not None:
                # An epoch of the same topics says nothing of whether they have changed since.
                self.stale = self.stale and value.metadata_hash == self.metadata_hash
                self.epoch, self.metadata_hash = value.epoch, value.metadata_hash
            case r.TargetEpochKey():
                self.target_epoch = 0 if value is None else value.assignment_epoch
                self.target_timestamp_ms = 0 if value is None else value.assignment_timestamp
            case r.MemberKey(member_id=member_id):
                self._describe(member_id, value)
            case r.TargetKey(member_id=member_id):
                if value is None:
                    self.targets.pop(member_id, None)
                else:
                    rows = value.topic_partitions
                    self.targets[member_id] = frozenset((row.topic_id, i) for row in rows for i in row.partitions)
            case r.CurrentKey(member_id=member_id):
                known = self.members.get(member_id)
                if value is not None:
                    self._put((known or Member(member_id)).placed(value))
                elif known is not None:
                    self._put(known.placed(r.CurrentValue(0, 0, State.STABLE, (), ())))
            case r.RegexKey(regular_expression=regex):
                if value is None:
                    self.regexes.pop(regex, None)
                else:
                    self.regexes[regex] = frozenset(value.topics)

    def _describe(self, member_id: str, value: r.MemberValue | None) -> None:
        known = self.members.get(member_id)
        if known is not None and known.instance_id is not None and self.static.get(known.instance_id) == member_id:
            del self.static[known.instance_id]
        if value is None:
            if known is not None:
                self._disown(known)
                del self.members[member_id]
            return
        member = (known or Member(member_id)).described(value)
        if member.instance_id is not None:
            self.static[member.instance_id] = member_id
        self.members[member_id] = member

    def _put(self, member: Member) -> None:
        former = self.members.get(member.member_id)
        if former is not None:
            self._disown(former)
        self.members[member.member_id] = member
        for place in (*member.assigned, *member.revoking):
            self.owners[place] = member.member_id

    def _disown(self, member: Member) -> None:
        for place in (*member.assigned, *member.revoking):
            if self.owners.get(place) == member.member_id:
                del self.owners[place]

    # what is told of it

    def described(self, assignors: Sequence[str]) -> DescribedGroup:
        names_of = {topic.topic_id: name for name, topic in self.topics().items()}

        def rows(places: Iterable[Place]) -> Assignment:
            found = by_topic(places).items()
            return Assignment([TopicPartitions(id_, names_of[id_], parts) for id_, parts in found if id_ in names_of])

        members = [
            DescribedMember(
                member.member_id,
                member.instance_id,
                member.rack_id,
                member.epoch,
                member.client_id,
                member.client_host,
                list(member.names),
                member.regex or None,
                rows(member.assigned),
                rows(self.target(member.member_id)),
                NEW_PROTOCOL,
            )
            for member in self.members.values()
        ]
        return DescribedGroup(
            group_id=self.group_id,
            group_state=self.state_name,
            group_epoch=self.epoch,
            assignment_epoch=self.target_epoch,
            assignor_name=elected(self.members.values(), assignors),
            members=members,
        )


def names(member: Member, regexes: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The topics that a member is subscribed to, whether they exist or not."""
    return regexes.get(member.regex, frozenset()).union(member.names)


def elected(members: Iterable[Member], assignors: Sequence[str]) -> str:
    """The one of `assignors` that most members ask for; the first, where nobody asks."""
    votes = Counter(member.assignor for member in members)
    return max(assignors, key=lambda name: votes[name])


def hashed(subscribed: Iterable[str], topics: Mapping[str, Topic]) -> int:
    """A number that changes with the topics that are there, and their partitions."""
    lines = [f"{name} {topics[name].topic_id} {len(topics[name].partitions)}" for name in subscribed if name in topics]
    digest = blake2b("\n".join(sorted(lines)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) if lines else 0


def member_tombstones(group_id: str, member_id: str) -> list[Entry]:
    keys = (r.CurrentKey(group_id, member_id), r.TargetKey(group_id, member_id), r.MemberKey(group_id, member_id))
    return [r.CONSUMER_TYPES.entry(key, None) for key in keys]


def _stale(epoch: int, member: Member) -> Rejected:
    message = f"The member epoch {epoch} does not match the expected member epoch {member.epoch}."
    return Rejected(ErrorCode.STALE_MEMBER_EPOCH, message)
