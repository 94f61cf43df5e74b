"""What the members of a classic group ask: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

Each function changes the soft state of the group, and leaves in the turn what is to be recorded and who is answered.
None for a response: the request waits, and will be answered by its token.

Source: KIP-62, KIP-345 (static members), KIP-394 (member ids come first), KIP-559 (protocol type and name), KIP-814.
"""

from dataclasses import dataclass

from server.groups.classic import NOBODY, ClassicGroup, Member, Protocols, State
from server.groups.group import Turn
from server.groups.rebalance import UNKNOWN_MEMBER, Rebalance, change, joined, refused
from server.groups.settings import GroupSettings
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from server.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse
from server.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse

FIRST_KNOWN_MEMBER_VERSION = 4  # of JoinGroup: a member gets its id first, and joins with it
FIRST_SKIP_ASSIGNMENT_VERSION = 9  # a leader that comes back can be told to leave the assignment as it is


@dataclass(frozen=True, slots=True)
class Joiner:
    """Who sends a JoinGroup. new_id: for a member that has no id; client_host: as Java prints an address, /1.2.3.4."""

    client_id: str
    client_host: str
    new_id: str
    api_version: int


def join(
    group: ClassicGroup, turn: Turn, settings: GroupSettings, request: JoinGroupRequest, who: Joiner, token: int
) -> JoinGroupResponse | None:
    """Join, or join again. Errors: GROUP_MAX_SIZE_REACHED, INCONSISTENT_GROUP_PROTOCOL, MEMBER_ID_REQUIRED,
    UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID."""
    member_id = request.member_id
    protocols = tuple((row.name, bytes(row.metadata)) for row in request.protocols)
    rebalance = Rebalance(group, turn, settings)
    if not _has_room(group, settings, member_id):
        rebalance.remove([member_id])
        rebalance.complete_if_all_joined()
        return refused(UNKNOWN_MEMBER, ErrorCode.GROUP_MAX_SIZE_REACHED)
    if not group.supports(request.protocol_type, protocols):
        return refused(member_id, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if member_id != UNKNOWN_MEMBER:
        return _join_again(rebalance, request, protocols, who, token)
    instance_id = request.group_instance_id
    if instance_id is not None and instance_id in group.static:
        return _replace(rebalance, request, protocols, who, token)
    if instance_id is None and who.api_version >= FIRST_KNOWN_MEMBER_VERSION:
        group.pending.add(who.new_id)
        turn.after(("session", group.group_id, who.new_id), request.session_timeout_ms)
        return refused(who.new_id, ErrorCode.MEMBER_ID_REQUIRED)
    rebalance.add(_member(request, protocols, who, who.new_id), request.protocol_type, token)
    return None


def _has_room(group: ClassicGroup, settings: GroupSettings, member_id: str) -> bool:
    """While a group rebalances, those who wait are counted, so that a group above a limit that was lowered shrinks."""
    known = group.members.get(member_id)
    match group.state:
        case State.EMPTY:
            return True
        case State.PREPARING:
            return (known is not None and known.joining != NOBODY) or group.joining < settings.max_size
        case _:
            return known is not None or len(group.members) < settings.max_size


def _member(request: JoinGroupRequest, protocols: Protocols, who: Joiner, member_id: str) -> Member:
    return Member(
        member_id,
        request.group_instance_id,
        who.client_id,
        who.client_host,
        request.rebalance_timeout_ms,
        request.session_timeout_ms,
        protocols,
    )


def _join_again(
    rebalance: Rebalance, request: JoinGroupRequest, protocols: Protocols, who: Joiner, token: int
) -> JoinGroupResponse | None:
    """A member that has an id."""
    group, member_id = rebalance.group, request.member_id
    if member_id in group.pending and request.group_instance_id is None:
        rebalance.add(_member(request, protocols, who, member_id), request.protocol_type, token)
        return None
    try:
        group.check_member(member_id, request.group_instance_id)
    except Rejected as e:
        return JoinGroupResponse(member_id=member_id, error_code=e.code, protocol_name=None)
    member = group.members[member_id]
    same = member.protocols == protocols
    leads = group.leader == member_id
    # A leader that joins a stable group wants a rebalance: it knows of something that is in no member's metadata.
    if (group.state is State.COMPLETING and same) or (group.state is State.STABLE and same and not leads):
        return joined(group, member)
    if group.state is State.EMPTY:
        return refused(member_id, ErrorCode.UNKNOWN_MEMBER_ID)
    rebalance.update(member, request, protocols, token)
    return None


def _replace(
    rebalance: Rebalance, request: JoinGroupRequest, protocols: Protocols, who: Joiner, token: int
) -> JoinGroupResponse | None:
    """A static member is back without its id: it takes the place of its former self, which is fenced."""
    group, turn = rebalance.group, rebalance.turn
    former_leader = group.leader
    assert request.group_instance_id is not None
    old_id = group.static[request.group_instance_id]
    member = group.members[old_id]
    if member.joining != NOBODY:
        turn.answer(member.joining, refused(old_id, ErrorCode.FENCED_INSTANCE_ID))
    if member.syncing != NOBODY:
        turn.answer(member.syncing, SyncGroupResponse(error_code=ErrorCode.FENCED_INSTANCE_ID))
    member.joining = member.syncing = NOBODY
    group.replace_static(old_id, who.new_id)
    turn.cancel(("session", group.group_id, old_id))
    group.heard(turn, member)
    change(member, request, protocols)
    if group.state is State.STABLE and group.protocol == group.elect_protocol():
        turn.records.append(group.record())
        if who.api_version >= FIRST_SKIP_ASSIGNMENT_VERSION:
            response = joined(group, member)
            response.skip_assignment = group.leader == member.member_id
            return response
        response = joined(group, member, leads=False)
        # An old client that is told that it leads would deal out the partitions anew, and nobody would hear of it.
        response.leader = former_leader or ""
        return response
    member.joining = token
    rebalance.prepare_or_complete()
    return None


def sync(
    group: ClassicGroup, turn: Turn, settings: GroupSettings, request: SyncGroupRequest, token: int
) -> SyncGroupResponse | None:
    """Get the assignment; from the leader, bring it.

    Raises Rejected: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL,
    REBALANCE_IN_PROGRESS.
    """
    if group.empty:
        raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID)
    group.check_member(request.member_id, request.group_instance_id)
    if request.generation_id != group.generation:
        raise Rejected(ErrorCode.ILLEGAL_GENERATION)
    if _differs(request.protocol_type, group.protocol_type) or _differs(request.protocol_name, group.protocol):
        raise Rejected(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if group.state is State.PREPARING:
        raise Rejected(ErrorCode.REBALANCE_IN_PROGRESS)
    member = group.members[request.member_id]
    Rebalance(group, turn, settings).synced(member.member_id)
    if group.state is State.STABLE:
        return _assigned(group, member.assignment)
    if group.leader != member.member_id:
        if member.syncing != NOBODY:
            turn.answer(member.syncing, SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))
        member.syncing = token
        return None
    given = {row.member_id: bytes(row.assignment) for row in request.assignments}
    turn.records.append(group.record(given))
    for each in group.members.values():
        if each.syncing != NOBODY:
            turn.answer(each.syncing, _assigned(group, given.get(each.member_id, b"")))
            each.syncing = NOBODY
        group.heard(turn, each)
    return _assigned(group, given.get(member.member_id, b""))


def _differs(asked: str | None, known: str | None) -> bool:
    return asked is not None and known is not None and asked != known


def _assigned(group: ClassicGroup, assignment: bytes) -> SyncGroupResponse:
    return SyncGroupResponse(protocol_type=group.protocol_type, protocol_name=group.protocol, assignment=assignment)


def heartbeat(group: ClassicGroup, turn: Turn, member_id: str, instance_id: str | None, generation: int) -> ErrorCode:
    """Raises Rejected: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION."""
    group.check_member(member_id, instance_id)
    if generation != group.generation:
        raise Rejected(ErrorCode.ILLEGAL_GENERATION)
    group.heard(turn, group.members[member_id])
    return ErrorCode.REBALANCE_IN_PROGRESS if group.state is State.PREPARING else ErrorCode.NONE


def leave(group: ClassicGroup, turn: Turn, settings: GroupSettings, request: LeaveGroupRequest) -> LeaveGroupResponse:
    """Take members out, each with an answer of its own: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID."""
    rebalance = Rebalance(group, turn, settings)
    rows = [_leave(rebalance, row) for row in request.members]
    if any(row.error_code == ErrorCode.NONE for row in rows):
        rebalance.removed()
    return LeaveGroupResponse(members=rows)


def _leave(rebalance: Rebalance, row: MemberIdentity) -> MemberResponse:
    """An administrator names a static member by its instance id alone."""
    group, member_id = rebalance.group, row.member_id
    answer = MemberResponse(member_id, row.group_instance_id)
    if member_id == UNKNOWN_MEMBER and row.group_instance_id in group.static:
        member_id = group.static[row.group_instance_id]
    elif member_id not in group.pending:
        try:
            group.check_member(member_id, row.group_instance_id)
        except Rejected as e:
            answer.error_code = e.code
            return answer
    rebalance.remove([member_id])
    return answer
