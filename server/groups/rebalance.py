"""How a classic group comes from one generation to the next.

    Empty -> PreparingRebalance (members join; who was in has until the rebalance time-out, a new group waits a little
    for company) -> CompletingRebalance (the leader's SyncGroup brings the assignment) -> Stable

Joining is soft: a failover in a rebalance leaves the generation before, whose members find out at their next request.
The assignment stands in a record, and counts when that is replayed. A generation without members is recorded too.

Source: KIP-62 (rebalance time-out), KIP-134 (initial delay), KIP-345, KIP-389 (group.max.size), KIP-394, KIP-814.
"""

from collections.abc import Iterable

from server.groups.classic import NOBODY, ClassicGroup, Member, Protocols, State
from server.groups.group import Turn
from server.groups.settings import GroupSettings
from server.model.errors import ErrorCode
from server.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from server.wire.messages.sync_group import SyncGroupResponse

NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000  # a new member cannot heartbeat: how long its first JoinGroup may last
UNKNOWN_MEMBER = ""


def refused(member_id: str, code: ErrorCode) -> JoinGroupResponse:
    return JoinGroupResponse(member_id=member_id, error_code=code)


def joined(group: ClassicGroup, member: Member, *, leads: bool | None = None) -> JoinGroupResponse:
    """The answer to a member that is in this generation. leads: default whether it is the leader."""
    leads = group.leader == member.member_id if leads is None else leads
    return JoinGroupResponse(
        generation_id=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        leader=group.leader or "",
        member_id=member.member_id,
        members=group.members_for_leader() if leads else (),
    )


def tell_joining(turn: Turn, member: Member, response: JoinGroupResponse) -> None:
    """Answer the JoinGroup of a member, if one waits."""
    if member.joining != NOBODY:
        turn.answer(member.joining, response)
        member.joining = NOBODY


def tell_syncing(turn: Turn, member: Member, response: SyncGroupResponse) -> bool:
    if member.syncing == NOBODY:
        return False
    turn.answer(member.syncing, response)
    member.syncing = NOBODY
    return True


class Rebalance:
    """The steps of a rebalance of one group in one turn."""

    def __init__(self, group: ClassicGroup, turn: Turn, settings: GroupSettings) -> None:
        self.group, self.turn, self.settings = group, turn, settings

    # members come

    def add(self, member: Member, protocol_type: str, token: int) -> None:
        group = self.group
        if group.initial:
            group.joined_meanwhile = True
        member.new, member.joining = True, token
        group.add(member, protocol_type)
        self.turn.after(("session", group.group_id, member.member_id), NEW_MEMBER_JOIN_TIMEOUT_MS)
        self.prepare_or_complete()

    def update(self, member: Member, request: JoinGroupRequest, protocols: Protocols, token: int) -> None:
        """A member joins anew, perhaps with other protocols; an earlier JoinGroup of it is not answered any more."""
        change(member, request, protocols)
        self.wait(member, token)
        self.prepare_or_complete()

    def wait(self, member: Member, token: int) -> None:
        tell_joining(self.turn, member, refused(member.member_id, ErrorCode.REBALANCE_IN_PROGRESS))
        member.joining = token

    # the way through

    def prepare_or_complete(self) -> None:
        if self.group.state is State.PREPARING:
            self.complete_if_all_joined()
        else:
            self.prepare()

    def prepare(self) -> None:
        """Begin a rebalance: members learn of it by their heartbeats, those that wait for an assignment at once."""
        group, turn = self.group, self.turn
        if group.state is State.COMPLETING:
            for member in group.members.values():
                member.assignment = b""
                if tell_syncing(turn, member, SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS)):
                    group.heard(turn, member)
        self.forget_unsynced()
        group.enter(State.PREPARING, turn.now.timestamp_ms)
        if group.initial:
            delay_ms = self.settings.initial_rebalance_delay_ms
            group.joined_meanwhile = False
            group.remaining_ms = max(group.rebalance_timeout_ms - delay_ms, 0)
            turn.after(("join", group.group_id), delay_ms)
        elif group.all_joined:
            self.complete()
        else:
            turn.after(("join", group.group_id), group.rebalance_timeout_ms)

    def complete_if_all_joined(self) -> None:
        group = self.group
        if group.state is State.PREPARING and not group.initial and group.all_joined:
            self.complete()

    def join_time_is_over(self) -> None:
        """The initial delay is over, or the rebalance time-out."""
        group = self.group
        if group.state is not State.PREPARING:
            return
        if not (group.initial and group.joined_meanwhile and group.remaining_ms):
            self.complete()
            return
        group.joined_meanwhile = False
        delay_ms = min(self.settings.initial_rebalance_delay_ms, group.remaining_ms)
        group.remaining_ms = max(group.remaining_ms - delay_ms, 0)
        self.turn.after(("join", group.group_id), delay_ms)

    def complete(self) -> None:
        """Make the next generation of those who have joined; static members that have not are kept."""
        group, turn = self.group, self.turn
        turn.cancel(("join", group.group_id))
        self.remove(m.member_id for m in list(group.members.values()) if m.joining == NOBODY and m.instance_id is None)
        if group.members and not group.elect_leader():
            # Only static members are left, and none of them is here: their sessions will end, or they will come.
            turn.after(("join", group.group_id), group.rebalance_timeout_ms)
            return
        group.next_generation(turn.now.timestamp_ms)
        if group.empty:
            turn.records.append(group.record())
            return
        for member in group.members.values():
            tell_joining(turn, member, joined(group, member))
            group.heard(turn, member)
            member.new = False
            group.unsynced.add(member.member_id)
        turn.after(("sync", group.group_id), group.rebalance_timeout_ms)

    # members go

    def remove(self, member_ids: Iterable[str]) -> None:
        """Take members out, without a rebalance yet. Their waiting requests are sent back to the start."""
        for member_id in list(member_ids):
            member = self.group.members.get(member_id)
            if member is not None:
                tell_joining(self.turn, member, refused(UNKNOWN_MEMBER, ErrorCode.UNKNOWN_MEMBER_ID))
                tell_syncing(self.turn, member, SyncGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID))
            self.group.remove(member_id)
            self.turn.cancel(("session", self.group.group_id, member_id))

    def removed(self) -> None:
        """Members have gone: the others have something to deal out anew, or nobody to wait for any more."""
        if self.group.state in (State.STABLE, State.COMPLETING):
            self.prepare()
        else:
            self.complete_if_all_joined()

    def session_is_over(self, member_id: str) -> None:
        group = self.group
        member = group.members.get(member_id)
        if member is not None and not member.new and (member.joining != NOBODY or member.syncing != NOBODY):
            return  # it cannot heartbeat while it waits; its session begins when it is answered
        if member is None and member_id not in group.pending:
            return
        self.remove([member_id])
        if group.state is State.PREPARING:
            if group.all_joined:
                self.complete()
        elif member is not None:
            self.removed()

    def sync_time_is_over(self) -> None:
        """Those who have joined and never asked for their assignment are out."""
        group = self.group
        if group.state in (State.COMPLETING, State.STABLE) and group.unsynced:
            self.remove(group.unsynced)
            self.prepare()

    def synced(self, member_id: str) -> None:
        """A member of this generation has sent its SyncGroup."""
        self.group.unsynced.discard(member_id)
        if not self.group.unsynced:
            self.turn.cancel(("sync", self.group.group_id))

    def forget_unsynced(self) -> None:
        self.group.unsynced.clear()
        self.turn.cancel(("sync", self.group.group_id))


def change(member: Member, request: JoinGroupRequest, protocols: Protocols) -> None:
    member.protocols = protocols
    member.rebalance_timeout_ms = request.rebalance_timeout_ms
    member.session_timeout_ms = request.session_timeout_ms
