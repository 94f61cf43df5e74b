"""A group coordinator's core in virtual time, without a broker: what is decided is replayed at once, timers are kept.

The world speaks in short calls and remembers what parked requests were answered, by name.
"""

from collections.abc import Hashable, Sequence
from typing import Any, TypeVar

from server.groups.core import GroupCore
from server.groups.membership import Joiner
from server.groups.settings import GroupSettings
from server.model.coordination import Answer, Cancel, Decision, Entry, Now, Timer
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.heartbeat import HeartbeatRequest
from server.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from server.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from server.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from server.wire.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from server.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

R = TypeVar("R")
BIRTH_MS = 1_000_000
RETRY_MS = 500
RANGE = (("range", b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff"),)  # subscribed to t


class World:
    """now_ms: virtual; log: (entry, producer id) of everything that was appended."""

    def __init__(self, settings: GroupSettings | None = None) -> None:
        self.settings = settings or GroupSettings()
        self.now_ms = 0
        self.log: list[tuple[Entry | bool, int]] = []
        self.answers: dict[int, Any] = {}
        self.names: dict[str, int] = {}  # of parked requests -> token
        self.ids = 0
        self.refuse: Rejected | None = None  # what the next append is refused with
        self.restart()

    @property
    def now(self) -> Now:
        return Now(self.now_ms, BIRTH_MS + self.now_ms)

    def make_core(self) -> GroupCore:
        return GroupCore(self.settings)

    def restart(self) -> None:
        """Another broker loads what the log holds; who waited is told elsewhere."""
        self.core = self.make_core()
        self.timers: dict[Hashable, int] = {}
        for offset, (entry, producer_id) in enumerate(self.log):
            if isinstance(entry, bool):
                self.core.ended(producer_id, entry)
            else:
                self.core.replay(entry, offset, producer_id)
        self.take(self.core.loaded(self.now))

    def take(self, decision: Decision[R]) -> R:
        producer_id = -1 if decision.producer is None else decision.producer.id
        refused, self.refuse = (self.refuse, None) if decision.records else (None, self.refuse)
        for entry in decision.records if refused is None else ():
            self.log.append((entry, producer_id))
            self.core.replay(entry, len(self.log) - 1, producer_id)
        for effect in decision.effects:
            match effect:
                case Timer(key, at_ms):
                    self.timers[key] = at_ms
                case Cancel(key):
                    self.timers.pop(key, None)
                case Answer(token, response):
                    assert token not in self.answers, "answered twice"
                    self.answers[token] = response if refused is None else refused
        if refused is not None:
            raise refused
        return decision.response

    def end_transaction(self, producer_id: int, *, commit: bool) -> None:
        self.log.append((commit, producer_id))
        self.core.ended(producer_id, commit)

    def pass_ms(self, ms: int) -> None:
        """Let time pass, and fire what is due, in order."""
        end = self.now_ms + ms
        while due := [(at, str(key), key) for key, at in self.timers.items() if at <= end]:
            at, _, key = min(due)
            del self.timers[key]
            self.now_ms = max(self.now_ms, at)
            try:
                self.take(self.core.fired(key, self.now))
            except Rejected:
                self.timers[key] = self.now_ms + RETRY_MS  # as a shard does
        self.now_ms = end

    # members

    def join(
        self,
        name: str,
        member_id: str = "",
        *,
        instance: str | None = None,
        group: str = "g",
        protocols: Sequence[tuple[str, bytes]] = RANGE,
        protocol_type: str = "consumer",
        session_ms: int = 10_000,
        rebalance_ms: int = 60_000,
        version: int = 9,
    ) -> JoinGroupResponse | None:
        """The answer, or None: it waits, and `answer(name)` gives what came of it."""
        self.ids += 1
        token = self.names[name] = self.ids
        rows = [JoinGroupRequestProtocol(*row) for row in protocols]
        request = JoinGroupRequest(group, session_ms, rebalance_ms, member_id, instance, protocol_type, rows)
        who = Joiner("c", "/1.2.3.4", f"{instance or 'c'}-{token}", version)
        return self.take(self.core.join(request, who, self.now, token))

    def enter(self, name: str, **how: Any) -> str:
        """Join as a new member: get an id first, then join with it. The member's id."""
        first = self.join(f"{name}?", **how)
        assert first is not None
        assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED
        assert self.join(name, first.member_id, **how) is None
        return first.member_id

    def sync(
        self, name: str, member_id: str, generation: int, given: dict[str, bytes] | None = None, **how: Any
    ) -> Any:
        self.ids += 1
        token = self.names[name] = self.ids
        rows = [SyncGroupRequestAssignment(*row) for row in (given or {}).items()]
        request = SyncGroupRequest("g", generation, member_id, assignments=rows, **how)
        return self.take(self.core.sync(request, self.now, token))

    def answer(self, name: str) -> Any:
        """What a parked request was answered; None while it waits."""
        return self.answers.get(self.names[name])

    def heartbeat(self, member_id: str, generation: int, instance: str | None = None) -> ErrorCode:
        try:
            response = self.take(self.core.heartbeat(HeartbeatRequest("g", generation, member_id, instance), self.now))
        except Rejected as e:
            return e.code
        return ErrorCode(response.error_code)

    def leave(self, *members: tuple[str, str | None], group: str = "g") -> list[ErrorCode]:
        request = LeaveGroupRequest(group, members=[MemberIdentity(*row) for row in members])
        response = self.take(self.core.leave(request, self.now))
        return [ErrorCode(row.error_code) for row in response.members]

    def stable(self, *names: str, **how: Any) -> list[str]:
        """A stable group of these members, the first one leading; their assignments are their names."""
        ids = [self.enter(name, **how) for name in names]
        self.pass_ms(self.settings.initial_rebalance_delay_ms)
        while self.answer(names[0]) is None:
            self.pass_ms(self.settings.initial_rebalance_delay_ms)
        generation = self.answer(names[0]).generation_id
        given = {id_: name.encode() for id_, name in zip(ids, names, strict=True)}
        for name, id_ in zip(names[1:], ids[1:], strict=True):
            self.sync(f"{name} syncs", id_, generation)
        self.sync(f"{names[0]} syncs", ids[0], generation, given)
        return ids

    # offsets

    def commit(
        self,
        offset: int,
        member_id: str = "",
        generation: int = -1,
        *,
        group: str = "g",
        topic: str = "t",
        metadata: str = "",
        retention_ms: int = -1,
        version: int = 9,
        instance: str | None = None,
    ) -> ErrorCode:
        rows = [OffsetCommitRequestPartition(0, offset, 3, metadata)]
        topics = [OffsetCommitRequestTopic(topic, partitions=rows)]
        request = OffsetCommitRequest(group, generation, member_id, retention_ms, instance, topics)
        try:
            response = self.take(self.core.commit(request, version, self.now))
        except Rejected as e:
            return e.code
        return ErrorCode(response.topics[0].partitions[0].error_code)

    def committed(self, topic: str = "t", group: str = "g", *, require_stable: bool = False) -> Any:
        """The offset, or the error."""
        wanted = OffsetFetchRequestGroup(group, topics=[OffsetFetchRequestTopics(topic, partition_indexes=[0])])
        row = self.core.fetch_offsets(wanted, require_stable=require_stable).topics[0].partitions[0]
        return ErrorCode(row.error_code) if row.error_code else row.committed_offset
