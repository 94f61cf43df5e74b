"""GroupCore: the groups and offsets of one shard, and every decision about them.

Decisions by subject are in membership.py (classic members) and committing.py (offsets); here is what joins them: which
group is meant, what the log makes of it, what the clock brings, and what is asked about several groups.

Errors, unless a method says otherwise: those of the functions that it calls.
Source: KIP-98, KIP-229 (DeleteGroups), KIP-518 (states), KIP-848 (types), KIP-1043 (unknown groups).
"""

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any

from server.groups import committing, membership
from server.groups.classic import CONSUMER, ClassicGroup, State
from server.groups.consumer import heartbeat as consumers
from server.groups.consumer.group import ConsumerGroup, Topics
from server.groups.consumer.member import JOINING
from server.groups.consumer.records import CONSUMER_TYPES, EpochKey, GroupKey
from server.groups.consumer.settings import ConsumerSettings
from server.groups.group import Group, Turn
from server.groups.membership import Joiner
from server.groups.offsets import OffsetStore, tombstone
from server.groups.rebalance import Rebalance, refused
from server.groups.records import TYPES, GroupMetadataKey, OffsetCommitKey
from server.groups.settings import GroupSettings
from server.model.coordination import Decision, Entry, Now, Producer
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.consumer_group_describe import DescribedGroup as DescribedConsumers
from server.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse
from server.wire.messages.delete_groups import DeletableGroupResult
from server.wire.messages.describe_groups import DescribedGroup, DescribedGroupMember
from server.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from server.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from server.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse
from server.wire.messages.list_groups import ListedGroup
from server.wire.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from server.wire.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from server.wire.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from server.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from server.wire.messages.txn_offset_commit import TxnOffsetCommitRequest, TxnOffsetCommitResponse

MAX_TOMBSTONE_BYTES = 256 * 1024  # that one turn of the housekeeping writes; the rest follows in further turns
EXPIRE, FORGET = "expire", "forget"
DEAD = "Dead"
FIRST_NOT_FOUND_VERSION = 6  # of DescribeGroups: a group that is not there is an error, not a dead group


class GroupCore:
    """groups: by id. `live` once the log is replayed: from then on groups run ahead of their records."""

    def __init__(
        self,
        settings: GroupSettings,
        topics: Topics = dict,
        of_group: Callable[[str], ConsumerSettings] | None = None,
    ) -> None:
        """topics: those of the cluster, at any time. of_group: what a consumer group goes by, at any time."""
        self.settings, self.topics = settings, topics
        self.of_group = of_group or (lambda group_id: settings.consumer)
        self.groups: dict[str, Group] = {}
        self.offsets = OffsetStore()
        self.live = False
        self._deleted_topics: set[str] = set()

    # what the log says

    def replay(self, entry: Entry, offset: int, producer_id: int) -> None:
        found = TYPES.read(entry) or CONSUMER_TYPES.read(entry)
        if found is None:
            return  # of a later version, that this cluster had for a while
        key, value = found
        match key:
            case OffsetCommitKey():
                if value is not None and key.group not in self.groups:
                    self.groups[key.group] = ClassicGroup(key.group)
                self.offsets.replay(key, value, offset, producer_id)
            case GroupMetadataKey():
                known = self.groups.get(key.group)
                if value is None:
                    if isinstance(known, ClassicGroup):
                        del self.groups[key.group]
                elif self.live and isinstance(known, ClassicGroup):
                    known.stored(value)
                else:
                    self.groups[key.group] = ClassicGroup.loaded(key.group, value)
            case GroupKey():
                self._replay_of_consumers(key, value)

    def _replay_of_consumers(self, key: GroupKey, value: Any) -> None:
        group = self.groups.get(key.group_id)
        if value is None and isinstance(key, EpochKey):  # the last of its records to go
            if isinstance(group, ConsumerGroup):
                del self.groups[key.group_id]
            return
        if not isinstance(group, ConsumerGroup):
            if value is None:
                return
            group = self.groups[key.group_id] = ConsumerGroup(key.group_id, self.topics)
        group.replay(key, value)

    def ended(self, producer_id: int, committed: bool) -> None:
        self.offsets.ended(producer_id, committed)

    def loaded(self, now: Now) -> Decision[None]:
        """Sessions begin anew: members could not be heard while nobody coordinated."""
        self.live = True
        turn = Turn(now)
        for group in self.groups.values():
            if isinstance(group, ClassicGroup):
                for member in group.members.values():
                    group.heard(turn, member)
                if len(group.members) > self.settings.max_size:
                    Rebalance(group, turn, self.settings).prepare()
            elif isinstance(group, ConsumerGroup):
                consumers.loaded(group, turn, self.of_group(group.group_id))
        turn.after(EXPIRE, self.settings.retention_check_interval_ms)
        return turn.decision(None)

    # what the clock brings

    def fired(self, key: Hashable, now: Now) -> Decision[None]:
        turn = Turn(now)
        if key == EXPIRE:
            self._expire(turn)
        elif key == FORGET:
            self._forget(turn)
        else:
            assert isinstance(key, tuple), key
            group = self.groups.get(key[1])
            if isinstance(group, ClassicGroup):
                self._member_timer(Rebalance(group, turn, self.settings), key)
            elif isinstance(group, ConsumerGroup):
                consumers.fired(consumers.Draft(group, turn, self.of_group(group.group_id)), key[0], key[2:])
        return turn.decision(None)

    def _member_timer(self, rebalance: Rebalance, key: tuple[Any, ...]) -> None:
        match key:
            case ("session", _, member_id):
                rebalance.session_is_over(member_id)
            case ("join", _):
                rebalance.join_time_is_over()
            case ("sync", _):
                rebalance.sync_time_is_over()

    def _expire(self, turn: Turn) -> None:
        for group in list(self.groups.values()):
            if _size(turn.records) > MAX_TOMBSTONE_BYTES:
                turn.after(EXPIRE, 0)
                return
            nothing_left = committing.expire(group, self.offsets, turn, self.settings.retention_ms)
            if nothing_left and group.empty and not _pending(group):
                turn.records += group.tombstones()
        turn.after(EXPIRE, self.settings.retention_check_interval_ms)

    def topics_deleted(self, names: Iterable[str], now: Now) -> Decision[None]:
        """Offsets of these topics mean nothing any more."""
        self._deleted_topics.update(names)
        turn = Turn(now)
        turn.after(FORGET, 0)
        return turn.decision(None)

    def topics_changed(self, names: Collection[str], now: Now) -> Decision[None]:
        """Topics of these names have come, grown or gone: consumer groups look at their next heartbeat."""
        for group in self.groups.values():
            if isinstance(group, ConsumerGroup) and (group.regexes or any(map(group.subscribed_to, names))):
                group.stale = True
        return Turn(now).decision(None)

    def _forget(self, turn: Turn) -> None:
        for group_id in self.offsets.groups():
            for topic, partition in self.offsets.everything(group_id):
                if topic in self._deleted_topics:
                    turn.records.append(tombstone(group_id, topic, partition))
            if _size(turn.records) > MAX_TOMBSTONE_BYTES:
                turn.after(FORGET, 0)
                return
        if turn.records:
            turn.after(FORGET, 0)
        else:
            self._deleted_topics.clear()

    # members

    def join(self, request: JoinGroupRequest, who: Joiner, now: Now, token: int) -> Decision[JoinGroupResponse | None]:
        turn = Turn(now)
        group = self.groups.get(request.group_id)
        if group is None:
            if request.member_id:
                return turn.decision(refused(request.member_id, ErrorCode.UNKNOWN_MEMBER_ID))
            group = self.groups[request.group_id] = ClassicGroup(request.group_id, now.timestamp_ms)
            turn.records.append(group.empty_record())
        elif isinstance(group, ConsumerGroup) and group.empty and not request.member_id:
            turn.records += group.tombstones()
            group = self.groups[request.group_id] = ClassicGroup(request.group_id, now.timestamp_ms)
            turn.records.append(group.empty_record())
        if not isinstance(group, ClassicGroup):
            return turn.decision(refused("", ErrorCode.INCONSISTENT_GROUP_PROTOCOL))
        return turn.decision(membership.join(group, turn, self.settings, request, who, token))

    def sync(self, request: SyncGroupRequest, now: Now, token: int) -> Decision[SyncGroupResponse | None]:
        turn = Turn(now)
        return turn.decision(membership.sync(self._classic(request.group_id), turn, self.settings, request, token))

    def heartbeat(self, request: HeartbeatRequest, now: Now) -> Decision[HeartbeatResponse]:
        turn = Turn(now)
        group = self._classic(request.group_id)
        member = (request.member_id, request.group_instance_id, request.generation_id)
        return turn.decision(HeartbeatResponse(error_code=membership.heartbeat(group, turn, *member)))

    def leave(self, request: LeaveGroupRequest, now: Now) -> Decision[LeaveGroupResponse]:
        turn = Turn(now)
        group = self.groups.get(request.group_id)
        if not isinstance(group, ClassicGroup):
            code = ErrorCode.UNKNOWN_MEMBER_ID
            rows = [MemberResponse(row.member_id, row.group_instance_id, code) for row in request.members]
            return turn.decision(LeaveGroupResponse(members=rows))
        return turn.decision(membership.leave(group, turn, self.settings, request))

    def consumer_heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, caller: consumers.Caller, now: Now
    ) -> Decision[ConsumerGroupHeartbeatResponse]:
        """A classic group that nobody is in becomes a consumer group; one with members stays what it is.

        Raises Rejected: GROUP_ID_NOT_FOUND, and what `consumers.heartbeat` refuses.
        """
        turn = Turn(now)
        group_id = request.group_id
        group = self.groups.get(group_id)
        joining = request.member_epoch == JOINING
        if joining and isinstance(group, ClassicGroup) and group.empty and not group.pending:
            turn.records += group.tombstones()
            group = None
        if group is None and joining:
            group = ConsumerGroup(group_id, self.topics)
        if joining and isinstance(group, ClassicGroup):
            other = group.protocol_type not in (None, CONSUMER)
            why = "the group does not use the consumer embedded protocol" if other else "online upgrade is disabled"
            message = f"Cannot upgrade classic group {group_id} to consumer group because {why}."
            raise Rejected(ErrorCode.GROUP_ID_NOT_FOUND, message)
        settings = self.of_group(group_id)
        return turn.decision(consumers.heartbeat(self._consumers(group_id, group), turn, settings, request, caller))

    @staticmethod
    def _consumers(group_id: str, group: Group | None) -> ConsumerGroup:
        """Raises Rejected(GROUP_ID_NOT_FOUND)."""
        if group is None:
            raise Rejected(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} not found.")
        if not isinstance(group, ConsumerGroup):
            raise Rejected(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")
        return group

    def _classic(self, group_id: str) -> ClassicGroup:
        """Raises Rejected(UNKNOWN_MEMBER_ID): a group that is not there has no members."""
        group = self.groups.get(group_id)
        if not isinstance(group, ClassicGroup):
            raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID)
        return group

    # offsets

    def commit(self, request: OffsetCommitRequest, api_version: int, now: Now) -> Decision[OffsetCommitResponse]:
        turn = Turn(now)
        group = self.groups.get(request.group_id)
        return turn.decision(committing.commit(group, turn, self.settings, request, api_version))

    def commit_in_transaction(self, request: TxnOffsetCommitRequest, now: Now) -> Decision[TxnOffsetCommitResponse]:
        """The batch is one of the transaction of the request's producer."""
        turn = Turn(now)
        group = self.groups.get(request.group_id)
        response = committing.commit_in_transaction(group, turn, self.settings, request)
        producer = Producer(request.producer_id, request.producer_epoch)
        return Decision(tuple(turn.records), response, tuple(turn.effects), producer)

    def fetch_offsets(self, wanted: OffsetFetchRequestGroup, *, require_stable: bool) -> OffsetFetchResponseGroup:
        return committing.fetch(self.groups.get(wanted.group_id), self.offsets, wanted, require_stable=require_stable)

    def delete_offsets(self, request: OffsetDeleteRequest, now: Now) -> Decision[OffsetDeleteResponse]:
        turn = Turn(now)
        return turn.decision(committing.delete(self.groups.get(request.group_id), self.offsets, turn, request))

    # groups

    def listed(self, states: Collection[str], types: Collection[str]) -> list[ListedGroup]:
        """The groups in these states and of these types; all, where none is named. Case does not matter."""
        wanted_states = {state.strip().lower() for state in states}
        wanted_types = {kind.strip().lower() for kind in types}
        return [
            ListedGroup(group.group_id, group.protocol_type or "", group.state_name, group.kind)
            for group in self.groups.values()
            if (not wanted_states or group.state_name.lower() in wanted_states)
            and (not wanted_types or group.kind.lower() in wanted_types)
        ]

    def described(self, group_id: str, api_version: int) -> DescribedGroup:
        """A classic group; one that is not there is dead."""
        group = self.groups.get(group_id)
        if not isinstance(group, ClassicGroup):
            answer = DescribedGroup(group_id=group_id, group_state=DEAD)
            if api_version >= FIRST_NOT_FOUND_VERSION:
                why = "not found." if group is None else "is not a classic group."
                answer.error_code, answer.error_message = ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} {why}"
            return answer
        stable = group.state is State.STABLE
        return DescribedGroup(
            group_id=group_id,
            group_state=group.state_name,
            protocol_type=group.protocol_type or "",
            protocol_data=(group.protocol or "") if stable else "",
            members=[
                DescribedGroupMember(
                    member.member_id,
                    member.instance_id,
                    member.client_id,
                    member.client_host,
                    member.metadata(group.protocol) if stable else b"",
                    member.assignment,
                )
                for member in group.members.values()
            ],
        )

    def described_consumers(self, group_id: str) -> DescribedConsumers:
        """A consumer group. Raises Rejected(GROUP_ID_NOT_FOUND)."""
        return self._consumers(group_id, self.groups.get(group_id)).described(self.settings.consumer.assignors)

    def delete(self, group_ids: Iterable[str], now: Now) -> Decision[list[DeletableGroupResult]]:
        """Delete groups with their offsets. Row errors: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP."""
        turn = Turn(now)
        results = []
        for group_id in group_ids:
            try:
                group = self.groups.get(group_id)
                if group is None:
                    raise Rejected(ErrorCode.GROUP_ID_NOT_FOUND)
                group.check_delete()
            except Rejected as e:
                results.append(DeletableGroupResult(group_id, e.code))
                continue
            turn.records += [tombstone(group_id, topic, index) for topic, index in self.offsets.everything(group_id)]
            turn.records += group.tombstones()
            results.append(DeletableGroupResult(group_id))
        return turn.decision(results)


def _pending(group: Group) -> bool:
    return isinstance(group, ClassicGroup) and bool(group.pending)


def _size(records: Iterable[Entry]) -> int:
    return sum(len(entry.key) for entry in records)
