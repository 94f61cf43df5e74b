"""ConsumerGroupHeartbeat: members come, subscribe, are brought to their assignments, and go; and what time does.

A heartbeat is one decision: the member as it describes itself now, a new group epoch where that or the topics changed,
a new target assignment where there is a newer epoch, and the member's next step towards it. A Draft holds what the
decision makes of the group, until its records are replayed.

Source: KIP-848, KIP-1263 (least time between assignments).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from server.groups.consumer import records as r
from server.groups.consumer.assignors import ASSIGNORS, Subscriber
from server.groups.consumer.group import ConsumerGroup, elected, hashed, member_tombstones, names
from server.groups.consumer.member import JOINING, LEFT, LEFT_STATIC, Member, Place, Places, State, Step, by_topic
from server.groups.consumer.regex import check, matching
from server.groups.consumer.settings import ConsumerSettings
from server.groups.group import Turn
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)

SESSION, REBALANCE, ASSIGN = "member session", "member rebalance", "assign"


class Caller(NamedTuple):
    """new_id: for a member that does not bring one."""

    client_id: str
    client_host: str
    new_id: str


class Draft:
    """A group, and what a decision has made of it so far."""

    def __init__(self, group: ConsumerGroup, turn: Turn, settings: ConsumerSettings) -> None:
        self.group, self.turn, self.settings = group, turn, settings
        self.members, self.targets = group.members, group.targets
        self.regexes = group.regexes
        self.epoch, self.target_epoch = group.epoch, group.target_epoch

    def record(self, key: r.GroupKey, value: object | None) -> None:
        self.turn.records.append(r.CONSUMER_TYPES.entry(key, value))

    # members

    def put(self, member: Member) -> None:
        self.members = {**self.members, member.member_id: member}

    def remove(self, member_id: str) -> None:
        self.members = {id_: member for id_, member in self.members.items() if id_ != member_id}
        self.targets = {id_: target for id_, target in self.targets.items() if id_ != member_id}
        self.turn.records += member_tombstones(self.group.group_id, member_id)
        self.turn.cancel((SESSION, self.group.group_id, member_id))
        self.turn.cancel((REBALANCE, self.group.group_id, member_id))

    def fence(self, member_id: str) -> None:
        """A member is out; all others may have what was its."""
        self.remove(member_id)
        self.forget_regexes()
        self.bump(self.group.metadata_hash)

    def replace_static(self, old: Member, new_id: str) -> Member:
        """A static member comes back under another id: it has what it had."""
        target = self.targets.get(old.member_id)
        self.remove(old.member_id)
        member = replace(old, member_id=new_id, epoch=JOINING, previous_epoch=JOINING)
        self.put(member)
        self.record(r.MemberKey(self.group.group_id, new_id), member.description())
        if target is not None:
            self.targets = {**self.targets, new_id: target}
            self.record(r.TargetKey(self.group.group_id, new_id), _target(target))
        self.record(r.CurrentKey(self.group.group_id, new_id), member.place())
        return member

    # epochs

    def bump(self, metadata_hash: int) -> None:
        self.epoch += 1
        self.record(r.EpochKey(self.group.group_id), r.EpochValue(self.epoch, metadata_hash))

    def refresh(self, *, changed: bool) -> None:
        """Look at the topics as they are now. changed: a subscription did, so there is a new epoch in any case."""
        topics = self.group.topics()
        self.resolve(anew=self.group.stale)
        subscribed = frozenset[str]().union(*(names(member, self.regexes) for member in self.members.values()))
        metadata_hash = hashed(subscribed, topics)
        if changed or metadata_hash != self.group.metadata_hash:
            self.bump(metadata_hash)
        else:
            self.group.stale = False

    def resolve(self, *, anew: bool) -> None:
        """Look up what the members' expressions stand for; those that are known, too, where `anew`."""
        self.forget_regexes()
        for regex in sorted({member.regex for member in self.members.values()} - {""}):
            if not anew and regex in self.regexes:
                continue
            try:
                found = matching(regex, self.group.topics())
            except Rejected:
                continue  # of a version that understood it: no reason to fail the others
            if self.regexes.get(regex) != found:
                self.regexes = {**self.regexes, regex: found}
                value = r.RegexValue(sorted(found), 0, self.turn.now.timestamp_ms)
                self.record(r.RegexKey(self.group.group_id, regex), value)

    def forget_regexes(self) -> None:
        used = {member.regex for member in self.members.values()}
        for regex in sorted(self.regexes.keys() - used):
            self.record(r.RegexKey(self.group.group_id, regex), None)
        self.regexes = {regex: found for regex, found in self.regexes.items() if regex in used}

    # the target assignment

    def assign(self) -> None:
        """Make the target assignment that of the group's epoch; later, if the last one was only just made."""
        if self.epoch <= self.target_epoch:
            return
        now_ms = self.turn.now.timestamp_ms
        since_ms = now_ms - self.group.target_timestamp_ms
        if self.target_epoch and 0 <= since_ms < self.settings.assignment_ms:
            self.turn.after((ASSIGN, self.group.group_id), self.settings.assignment_ms - since_ms)
            return
        topics = self.group.topics()
        assignor = ASSIGNORS[elected(self.members.values(), self.settings.assignors)]
        subscribers = {
            member_id: Subscriber(
                member.instance_id,
                frozenset(topics[name].topic_id for name in names(member, self.regexes) if name in topics),
                self.targets.get(member_id, frozenset()),
            )
            for member_id, member in self.members.items()
        }
        wanted = frozenset().union(*(each.topics for each in subscribers.values()))
        sizes = {topic.topic_id: len(topic.partitions) for topic in topics.values() if topic.topic_id in wanted}
        targets = assignor(subscribers, sizes)
        for member_id, target in targets.items():
            if self.targets.get(member_id) != target:
                self.record(r.TargetKey(self.group.group_id, member_id), _target(target))
        self.targets, self.target_epoch = targets, self.epoch
        self.record(r.TargetEpochKey(self.group.group_id), r.TargetEpochValue(self.epoch, now_ms))

    def step(self, member: Member, owned: Iterable[Place] | None) -> Member:
        """Bring the member as far as it can be by now."""
        topics, group = self.group.topics(), self.group
        subscribed = {topics[name].topic_id for name in names(member, self.regexes) if name in topics}
        # The target may be older than the subscription: what it left is given up at once.
        target = frozenset(place for place in self.targets.get(member.member_id, frozenset()) if place[0] in subscribed)

        def taken(place: Place) -> bool:
            owner = group.owners.get(place)
            return owner is not None and owner != member.member_id and owner in self.members

        said = None if owned is None else frozenset(owned)
        after = Step(target, self.target_epoch, taken, said).of(member)
        if after != member:
            self.record(r.CurrentKey(group.group_id, member.member_id), after.place())
            key = (REBALANCE, group.group_id, member.member_id)
            if after.state is State.UNREVOKED:
                self.turn.after(key, after.rebalance_timeout_ms)
            elif member.state is State.UNREVOKED:
                self.turn.cancel(key)
        return after


def heartbeat(
    group: ConsumerGroup,
    turn: Turn,
    settings: ConsumerSettings,
    request: ConsumerGroupHeartbeatRequest,
    caller: Caller,
) -> ConsumerGroupHeartbeatResponse:
    """A member joins, stays or leaves.

    Raises Rejected: FENCED_INSTANCE_ID, FENCED_MEMBER_EPOCH, GROUP_MAX_SIZE_REACHED, INVALID_REGULAR_EXPRESSION,
    UNKNOWN_MEMBER_ID, UNRELEASED_INSTANCE_ID.
    """
    draft = Draft(group, turn, settings)
    if request.member_epoch in (LEFT, LEFT_STATIC):
        return _leave(draft, request)
    if request.subscribed_topic_regex:
        check(request.subscribed_topic_regex)
    owned = _owned(request)
    before = _member(draft, request, owned, caller)
    member = _described(before, request, caller)
    new = before.member_id not in draft.members
    if new or member != before:
        draft.record(r.MemberKey(group.group_id, member.member_id), member.description())
        draft.put(member)
    changed = new or (member.names, member.regex) != (before.names, before.regex)
    if changed or group.stale:
        draft.refresh(changed=changed)
    draft.assign()
    after = draft.step(member, owned)
    turn.after((SESSION, group.group_id, member.member_id), settings.session_ms)
    response = ConsumerGroupHeartbeatResponse(
        member_id=member.member_id, member_epoch=after.epoch, heartbeat_interval_ms=settings.heartbeat_ms
    )
    if _full(request) or after.assigned.keys() != before.assigned.keys():
        rows = by_topic(after.assigned).items()
        response.assignment = Assignment([TopicPartitions(id_, partitions) for id_, partitions in rows])
    return response


def _owned(request: ConsumerGroupHeartbeatRequest) -> frozenset[Place] | None:
    rows = request.topic_partitions
    return None if rows is None else frozenset((row.topic_id, index) for row in rows for index in row.partitions)


def _full(request: ConsumerGroupHeartbeatRequest) -> bool:
    """The member says all that it can say of itself, because it cannot know what was heard of it, and told to it."""
    subscribed = request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None
    told = request.rebalance_timeout_ms != -1 and subscribed and request.topic_partitions is not None
    return request.member_epoch == JOINING or told


def _member(draft: Draft, request: ConsumerGroupHeartbeatRequest, owned: Places | None, caller: Caller) -> Member:
    """Who calls: a member, one who replaces a static member, or a new one, which is in no list yet."""
    group, member_id = draft.group, request.member_id or caller.new_id
    joining = request.member_epoch == JOINING
    if request.instance_id is None:
        known = group.members.get(member_id) if joining else group.known(member_id)
    elif joining:
        holder = group.static.get(request.instance_id)
        known = None if holder is None else group.members[holder]
        if known is not None and known.member_id != member_id:
            if known.epoch != LEFT_STATIC:
                raise Rejected(ErrorCode.UNRELEASED_INSTANCE_ID, _unreleased(request.instance_id, member_id, known))
            return draft.replace_static(known, member_id)
        if known is None and member_id in group.members:
            known = group.members[member_id]  # it gets its instance id only now
    else:
        known = _static(group, request)
    if known is None:
        if len(group.members) >= draft.settings.max_size:
            message = f"The consumer group has reached its maximum capacity of {draft.settings.max_size} members."
            raise Rejected(ErrorCode.GROUP_MAX_SIZE_REACHED, message)
        return Member(member_id)
    _check_epoch(known, request.member_epoch, owned)
    if joining and known.epoch == LEFT_STATIC:
        return replace(known, epoch=JOINING, previous_epoch=JOINING)
    return known


def _unreleased(instance_id: str, member_id: str, holder: Member) -> str:
    return (
        f"Static member {member_id} with instance id {instance_id} cannot join the group because the instance id is"
        f" owned by member {holder.member_id}."
    )


def _static(group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest) -> Member:
    """Raises Rejected: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID."""
    holder = group.static.get(request.instance_id or "")
    if holder is None:
        raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {request.instance_id} is unknown.")
    if holder != request.member_id:
        fenced = f"Static member {request.member_id} with instance id {request.instance_id} was fenced by"
        raise Rejected(ErrorCode.FENCED_INSTANCE_ID, f"{fenced} member {holder}.")
    return group.members[holder]


def _check_epoch(member: Member, epoch: int, owned: Places | None) -> None:
    """The former epoch will do, if the member has nothing but what it has been given: it missed the answer."""
    if epoch in (JOINING, member.epoch):
        return
    missed = epoch == member.previous_epoch and owned is not None and owned <= member.assigned.keys()
    if epoch > member.epoch or not missed:
        size = "greater" if epoch > member.epoch else "smaller"
        message = (
            f"The consumer group member has a {size} member epoch ({epoch}) than the one known by the group"
            f" coordinator ({member.epoch}). The member must abandon all its partitions and rejoin."
        )
        raise Rejected(ErrorCode.FENCED_MEMBER_EPOCH, message)


def _described(member: Member, request: ConsumerGroupHeartbeatRequest, caller: Caller) -> Member:
    """What a request leaves out is as before."""
    given = request.subscribed_topic_names
    regex = request.subscribed_topic_regex
    timeout_ms = request.rebalance_timeout_ms
    return replace(
        member,
        instance_id=member.instance_id if request.instance_id is None else request.instance_id,
        rack_id=member.rack_id if request.rack_id is None else request.rack_id,
        client_id=caller.client_id,
        client_host=caller.client_host,
        names=member.names if given is None else tuple(sorted(set(given))),
        regex=member.regex if regex is None else regex,
        rebalance_timeout_ms=member.rebalance_timeout_ms if timeout_ms == -1 else timeout_ms,
        assignor=member.assignor if request.server_assignor is None else request.server_assignor,
    )


def _leave(draft: Draft, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse:
    """Raises Rejected: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID."""
    group = draft.group
    member = group.known(request.member_id) if request.instance_id is None else _static(group, request)
    if request.member_epoch == LEFT_STATIC:
        away = replace(member, epoch=LEFT_STATIC, state=State.STABLE, revoking={})
        draft.record(r.CurrentKey(group.group_id, member.member_id), away.place())
        draft.turn.cancel((REBALANCE, group.group_id, member.member_id))
    else:
        draft.fence(member.member_id)
    return ConsumerGroupHeartbeatResponse(member_id=request.member_id, member_epoch=request.member_epoch)


def fired(draft: Draft, kind: str, rest: Sequence[str]) -> None:
    """A member has been silent, or has not given up partitions, for too long; or an assignment may be made now."""
    if kind == ASSIGN:
        draft.assign()
        return
    member = draft.members.get(rest[0])
    if member is not None and (kind == SESSION or member.state is State.UNREVOKED):
        draft.fence(member.member_id)


def loaded(group: ConsumerGroup, turn: Turn, settings: ConsumerSettings) -> None:
    """Time begins anew for all members, and topics may have changed while nobody looked."""
    group.stale = True
    for member in group.members.values():
        turn.after((SESSION, group.group_id, member.member_id), settings.session_ms)
        if member.state is State.UNREVOKED:
            turn.after((REBALANCE, group.group_id, member.member_id), member.rebalance_timeout_ms)


def _target(target: Places) -> r.TargetValue:
    return r.TargetValue([r.TargetPartitions(*row) for row in by_topic(target).items()])
