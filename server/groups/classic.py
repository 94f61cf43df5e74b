"""A classic group: its members, their protocols, its generation and its state. How it comes from one generation to the
next is in rebalance.py.

What stands in the log is the group as of its last finished rebalance; who waits, who has been promised a member id and
what a rebalance has gathered so far is soft.

Source: KIP-62, KIP-345 (static members), KIP-394 (pending members), KIP-496 (what a group is subscribed to).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from struct import Struct
from struct import error as StructError

from server.groups.group import Turn
from server.groups.records import NO_TIMESTAMP, TYPES, GroupMetadataKey, GroupMetadataValue, MemberMetadata
from server.model.coordination import Entry
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.join_group import JoinGroupResponseMember

CONSUMER = "consumer"  # the protocol type of consumers, whose subscriptions a coordinator can read
NOBODY = 0  # no token: no request of this member waits
Protocols = Sequence[tuple[str, bytes]]  # (name, metadata), the best liked first
_SHORT, _INT = Struct(">h"), Struct(">i")


class State(StrEnum):
    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


@dataclass(slots=True)
class Member:
    """
    joining, syncing  the token of its JoinGroup or SyncGroup that waits
    new               it has not got its first JoinGroup response yet, and does not heartbeat
    """

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocols: Protocols
    assignment: bytes = b""
    joining: int = NOBODY
    syncing: int = NOBODY
    new: bool = False

    def metadata(self, protocol: str | None) -> bytes:
        return next((metadata for name, metadata in self.protocols if name == protocol), b"")


class ClassicGroup:
    """
    generation           how many rebalances it has finished
    initial              it was empty before the rebalance that is under way, and waits for further members
    pending              member ids that were given out, and have not joined yet (KIP-394)
    unsynced             members of this generation that have not sent a SyncGroup
    subscribed           the topics of all members, where the coordinator can read that
    """

    kind = "Classic"

    def __init__(self, group_id: str, timestamp_ms: int = NO_TIMESTAMP) -> None:
        self.group_id = group_id
        self.state, self.since_ms = State.EMPTY, timestamp_ms
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}  # instance id -> member id
        self.pending: set[str] = set()
        self.unsynced: set[str] = set()
        self.subscribed: frozenset[str] | None = None
        self.initial = self.joined_meanwhile = False
        self.remaining_ms = 0  # how much longer an initial rebalance may be put off

    # what it is

    @property
    def state_name(self) -> str:
        return self.state.value

    @property
    def empty(self) -> bool:
        return self.state is State.EMPTY

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    @property
    def joining(self) -> int:
        """How many members wait for the answer to their JoinGroup."""
        return sum(member.joining != NOBODY for member in self.members.values())

    @property
    def all_joined(self) -> bool:
        return not self.pending and self.joining == len(self.members)

    def members_for_leader(self) -> list[JoinGroupResponseMember]:
        return [
            JoinGroupResponseMember(member.member_id, member.instance_id, member.metadata(self.protocol))
            for member in self.members.values()
        ]

    # protocols

    def supports(self, protocol_type: str, protocols: Protocols) -> bool:
        """Whether a member with these protocols could be in a group with those who are."""
        names = {name for name, _ in protocols}
        if self.state is State.EMPTY:
            return bool(protocol_type and names)
        return self.protocol_type == protocol_type and not names.isdisjoint(self._common())

    def _common(self) -> set[str]:
        """The protocols that all members have."""
        counts = Counter(name for member in self.members.values() for name, _ in member.protocols)
        return {name for name, count in counts.items() if count == len(self.members)}

    def elect_protocol(self) -> str:
        """The protocol with most votes: each member votes for the first of its own that all have."""
        common = self._common()
        votes = Counter(
            next(name for name, _ in member.protocols if name in common) for member in self.members.values()
        )
        return max(votes, key=lambda name: votes[name])

    # changes

    def enter(self, state: State, timestamp_ms: int) -> None:
        self.initial = state is State.PREPARING and self.state is State.EMPTY
        self.state, self.since_ms = state, timestamp_ms

    def add(self, member: Member, protocol_type: str) -> None:
        if not self.members:
            self.protocol_type = protocol_type
        self.pending.discard(member.member_id)
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member.member_id
        if self.leader is None:
            self.leader = member.member_id

    def remove(self, member_id: str) -> None:
        """Take out a member, or one that was about to become one."""
        self.pending.discard(member_id)
        self.unsynced.discard(member_id)
        member = self.members.pop(member_id, None)
        if member is not None and member.instance_id is not None:
            self.static.pop(member.instance_id, None)
        if member_id == self.leader:
            self.leader = next(iter(self.members), None)

    def replace_static(self, old_id: str, new_id: str) -> Member:
        """A static member came back without its id: it gets another one, in its old place."""
        rows = [(new_id if id_ == old_id else id_, member) for id_, member in self.members.items()]
        self.members = dict(rows)
        member = self.members[new_id]
        member.member_id = new_id
        assert member.instance_id is not None
        self.static[member.instance_id] = new_id
        if old_id in self.unsynced:
            self.unsynced.remove(old_id)
            self.unsynced.add(new_id)
        if self.leader == old_id:
            self.leader = new_id
        return member

    def elect_leader(self) -> bool:
        """Let one who has joined lead, if the leader has not. False: nobody has joined."""
        leader = self.members.get(self.leader or "")
        if leader is not None and leader.joining == NOBODY:
            self.leader = next((m.member_id for m in self.members.values() if m.joining != NOBODY), self.leader)
        leader = self.members.get(self.leader or "")
        return leader is not None and leader.joining != NOBODY

    def next_generation(self, timestamp_ms: int) -> None:
        self.generation += 1
        self.protocol = self.elect_protocol() if self.members else None
        self.subscribed = self.read_subscriptions()
        self.enter(State.COMPLETING if self.members else State.EMPTY, timestamp_ms)

    def read_subscriptions(self) -> frozenset[str] | None:
        """The topics of all members; None: these are no consumers, or their subscriptions cannot be read."""
        if self.protocol_type != CONSUMER:
            return None
        if self.members and self.protocol is None:
            return None
        try:
            return frozenset(t for m in self.members.values() for t in _topics(m.metadata(self.protocol)))
        except (StructError, UnicodeDecodeError):
            return None

    # checks

    def check_member(self, member_id: str, instance_id: str | None) -> None:
        """Raises Rejected: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID."""
        if instance_id is not None:
            known = self.static.get(instance_id)
            if known is None:
                raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID)
            if known != member_id:
                raise Rejected(ErrorCode.FENCED_INSTANCE_ID)
        if member_id not in self.members:
            raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID)

    def check_commit(
        self,
        member_id: str,
        instance_id: str | None,
        generation: int,
        *,
        transactional: bool,
        partitions: Iterable[tuple[str, int]] = (),
    ) -> None:
        """Raises Rejected: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS.

        Without a generation anybody may commit while the group is empty: a tool, or a consumer that assigns itself.
        """
        if generation < 0 and self.empty:
            return
        if generation >= 0 or member_id or instance_id is not None:
            self.check_member(member_id, instance_id)
            if generation != self.generation:
                raise Rejected(ErrorCode.ILLEGAL_GENERATION)
        elif not transactional and not self.empty:
            raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID)
        if not transactional and self.state is State.COMPLETING:
            raise Rejected(ErrorCode.REBALANCE_IN_PROGRESS)

    def check_fetch(self, member_id: str | None, member_epoch: int) -> None:
        """Anybody may read a classic group's offsets."""

    def check_delete(self) -> None:
        """Raises Rejected(NON_EMPTY_GROUP)."""
        if not self.empty:
            raise Rejected(ErrorCode.NON_EMPTY_GROUP)

    def check_offset_delete(self) -> None:
        """Raises Rejected(NON_EMPTY_GROUP): members are there, and what they are subscribed to cannot be told."""
        if not self.empty and self.protocol_type != CONSUMER:
            raise Rejected(ErrorCode.NON_EMPTY_GROUP)

    def subscribed_to(self, topic: str) -> bool:
        """Consumers whose subscriptions cannot be read may be subscribed to anything."""
        return self.protocol_type == CONSUMER if self.subscribed is None else topic in self.subscribed

    def unused_since(self, commit_timestamp_ms: int) -> int | None:
        """Of a group that had members: since it became empty; of others, and topics nobody reads: since the commit."""
        if self.protocol_type is None:
            return commit_timestamp_ms
        if self.empty:
            return commit_timestamp_ms if self.since_ms == NO_TIMESTAMP else self.since_ms
        if self.protocol_type == CONSUMER and self.subscribed is not None and self.state is State.STABLE:
            return commit_timestamp_ms
        return None

    def committed(self, turn: Turn, member_id: str) -> None:
        if self.state in (State.STABLE, State.PREPARING) and member_id in self.members:
            self.heard(turn, self.members[member_id])

    def heard(self, turn: Turn, member: Member) -> None:
        """Its session begins anew."""
        turn.after(("session", self.group_id, member.member_id), member.session_timeout_ms)

    # records

    def record(self, assignments: dict[str, bytes] | None = None) -> Entry:
        """The group as it is; with these assignments, or those that its members have."""
        members = tuple(
            MemberMetadata(
                member.member_id,
                member.client_id,
                member.client_host,
                member.session_timeout_ms,
                member.metadata(self.protocol),
                member.assignment if assignments is None else assignments.get(member.member_id, b""),
                member.rebalance_timeout_ms,
                member.instance_id,
            )
            for member in self.members.values()
        )
        value = GroupMetadataValue(
            self.protocol_type or "", self.generation, self.protocol, self.leader, members, self.since_ms
        )
        return TYPES.entry(GroupMetadataKey(self.group_id), value)

    def empty_record(self) -> Entry:
        """A group that nobody has joined yet, so that there is one after a failover, too."""
        value = GroupMetadataValue("", 0, None, None, (), self.since_ms)
        return TYPES.entry(GroupMetadataKey(self.group_id), value)

    def tombstones(self) -> list[Entry]:
        return [TYPES.entry(GroupMetadataKey(self.group_id), None)]

    def stored(self, value: GroupMetadataValue) -> None:
        """A record of this group, while it is live, is in the log: the assignments that it waited for hold.

        All else that the record says, the group has done already; and it may have gone on since.
        """
        if self.state is State.COMPLETING and value.generation == self.generation and value.members:
            for row in value.members:
                if row.member_id in self.members:
                    self.members[row.member_id].assignment = bytes(row.assignment)
            self.state = State.STABLE

    @classmethod
    def loaded(cls, group_id: str, value: GroupMetadataValue) -> "ClassicGroup":
        """The group that a record describes."""
        group = cls(group_id)
        group.generation, group.since_ms = value.generation, value.current_state_timestamp
        group.protocol_type, group.protocol = value.protocol_type or None, value.protocol
        for row in value.members:
            rebalance_ms = row.session_timeout if row.rebalance_timeout < 0 else row.rebalance_timeout
            protocols = [(value.protocol or "", bytes(row.subscription))]
            member = Member(
                row.member_id,
                row.group_instance_id,
                row.client_id,
                row.client_host,
                rebalance_ms,
                row.session_timeout,
                protocols,
                bytes(row.assignment),
            )
            group.add(member, value.protocol_type)
        group.leader = value.leader
        group.state = State.STABLE if group.members else State.EMPTY
        group.subscribed = group.read_subscriptions()
        return group


def _topics(metadata: bytes) -> list[str]:
    """The topics in a consumer's subscription; every version begins in the same way. Raises struct.error."""
    (count,) = _INT.unpack_from(metadata, _SHORT.size)
    topics, at = [], _SHORT.size + _INT.size
    for _ in range(count):
        (size,) = _SHORT.unpack_from(metadata, at)
        at += _SHORT.size + size
        if size < 0 or at > len(metadata):
            raise StructError("a topic reaches beyond the end")
        topics.append(metadata[at - size : at].decode())
    return topics
