"""Read as a member of a group: does over the network what the state machine of membership.py asks for.

Stands where a Subscription stands: `discover` before each poll of the fetcher hands over and takes away partitions. The
answers come within the polls of the network, between what has been handed out and what will be.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kcli.errors import Failure
from kcli.pipeline import membership_messages as messages
from kcli.pipeline.fetcher import TOPIC_AUTHORIZATION_FAILED, Fetcher, Key
from kcli.pipeline.link import Link
from kcli.pipeline.membership import (
    Assign,
    Beat,
    Commit,
    Effect,
    Fail,
    Find,
    Join,
    Learn,
    Leave,
    Member,
    Request,
    Restore,
    Revoke,
    Sync,
    Tell,
)
from kcli.pipeline.network import Network
from kcli.pipeline.producer import INVALID_TOPIC
from kcli.pipeline.settings import GroupSettings
from kcli.pipeline.subscription import LOOK_MS, NEVER, Wanted
from kcli.pipeline.wire import (
    FIND_COORDINATOR,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    SYNC_GROUP,
    Reader,
)

LINK_MS = 1_000  # how long a coordinator may not be there before it is looked for again
CLOSE_MS = 10_000  # how long the last commit and the farewell may take
JOIN_MORE_MS = 5_000  # a JoinGroup takes as long as a rebalance may, and this
APIS: dict[type[Request], int] = {
    Find: FIND_COORDINATOR,
    Join: JOIN_GROUP,
    Sync: SYNC_GROUP,
    Restore: OFFSET_FETCH,
    Beat: HEARTBEAT,
    Commit: OFFSET_COMMIT,
    Leave: LEAVE_GROUP,
}


class _Unsent(NamedTuple):
    """A request whose link is not there yet."""

    request: Request
    turn: int
    since_ms: float


class Membership:
    """Hands the partitions that the group gives it to `fetcher`. `network` has to be started."""

    def __init__(self, network: Network, fetcher: Fetcher, wanted: Wanted, settings: GroupSettings) -> None:
        self._network, self._fetcher, self._wanted, self._settings = network, fetcher, wanted, settings
        self._member: Member | None = None  # until the metadata is there
        self._unsent: list[_Unsent] = []
        self._reads: set[Key] = set()  # what the fetcher has of us
        self.seen: set[Key] = set()  # all that it ever had
        self._learning: float | None = None  # since when the leader waits for fresh metadata
        self._looked, self._metadata_at = NEVER, NEVER
        self._told = False
        self._want(frozenset())

    @property
    def wait_ms(self) -> float:
        """How long a poll may last before `discover` has something to do."""
        now = self._network.now_ms()
        waits = [LOOK_MS] if self._missing or self._unsent or self._member is None else []
        return max(0.0, min([*waits, *([self._member.next_ms - now] if self._member else [])]))

    def discover(self) -> None:
        """Do what is due. Raises Failure: the group, or a topic, cannot be read."""
        network, now = self._network, self._network.now_ms()
        if self._missing and now >= self._looked + LOOK_MS:
            self._looked = now
            network.refresh()
        if network.metadata_at != self._metadata_at:
            self._metadata_at = network.metadata_at
            self._fresh(now)
        if self._member is None:
            return
        unsent, self._unsent = self._unsent, []
        for request, turn, since in unsent:
            if turn == self._member.turn:
                self._send(request, since)
        self._do(self._member.ticked(now))

    def settled(self) -> None:
        """All that the fetcher has handed out has been dealt with."""
        positions = {key: self._fetcher.position(key) for key in self._reads}
        self.dealt({key: offset for key, offset in positions.items() if offset >= 0})

    def dealt(self, offsets: Mapping[Key, int]) -> None:
        """Everything before these offsets has been dealt with."""
        if self._member:
            self._member.read(offsets)

    def leave(self) -> None:
        """Commit what has been dealt with, and leave the group; waits CLOSE_MS at most. Raises Failure."""
        if self._member is None:
            return
        member, network = self._member, self._network
        deadline = network.now_ms() + CLOSE_MS
        self._fetcher.drop(self._reads)
        self._reads.clear()
        self._learning = None
        self._do(member.leave(network.now_ms()))
        while not member.gone:
            if network.now_ms() >= deadline:
                raise Failure(
                    f"The group {self._settings.group} was not left in order: its coordinator does not answer",
                    "What was printed last may be read again.",
                )
            self.discover()
            if not member.gone:
                network.poll(min(deadline - network.now_ms(), self.wait_ms))

    # --- topics

    @property
    def _missing(self) -> bool:
        return self._wanted.topic is not None and not self._counts().get(self._wanted.topic)

    def _counts(self) -> dict[str, int]:
        return {name: len(view.leaders) for name, view in self._network.topology.topics.items()}

    def _want(self, more: frozenset[str]) -> None:
        wanted = self._wanted
        self._network.want(None if wanted.topic is None else {wanted.topic, *more}, create=wanted.create)

    def _fresh(self, now: float) -> None:
        """The metadata is newer than what was known."""
        topics = self._names()
        if self._missing and not self._told:
            self._told = True
            self._network.notice(f"Topic {self._wanted.topic} does not exist; waiting for it")
        if self._member is None:
            self._member = Member(self._settings, topics)
        else:
            self._do(self._member.topics_are(now, topics, self._counts()))
        if self._learning is not None and self._metadata_at > self._learning:
            self._learning = None
            self._do(self._member.learnt(now, self._counts()))

    def _names(self) -> Sequence[str]:
        topics, wanted = self._network.topology.topics, self._wanted
        if wanted.topic is None:
            assert wanted.include, "one of the two is given"
            names = [name for name in sorted(topics) if wanted.include.fullmatch(name)]
            return [name for name in names if wanted.internal or not topics[name].internal]
        error = topics[wanted.topic].error if wanted.topic in topics else 0
        if error == INVALID_TOPIC:
            raise Failure(f"Invalid topics: [{wanted.topic}]")
        if error == TOPIC_AUTHORIZATION_FAILED:
            raise Failure(f"Not authorized to access topics: [{wanted.topic}]")
        return [wanted.topic]

    # --- effects

    def _do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Assign(starts):
                    self._fetcher.assign(starts)
                    self._reads = set(starts)
                    self.seen.update(starts)
                case Revoke(keys):
                    self._fetcher.drop(keys)
                    self._reads -= keys
                case Learn(topics):
                    self._learning = self._network.now_ms()
                    self._want(topics)
                case Tell(text):
                    self._network.notice(text)
                case Fail(failure):
                    raise failure
                case _:
                    self._send(effect, self._network.now_ms())

    def _send(self, request: Request, since_ms: float) -> None:
        assert self._member, "it has asked"
        now, member = self._network.now_ms(), self._member
        link = self._link(request)
        if link is None:
            if now >= since_ms + LINK_MS:
                self._do(member.lost(now))
            else:
                self._unsent.append(_Unsent(request, member.turn, since_ms))
            return
        api, turn = APIS[type(request)], member.turn
        version = link.version(api)
        body = self._body(request, version)
        tell = self._teller(request, version)

        def answered(answer: Reader | None) -> None:
            if turn != member.turn:
                return
            now = self._network.now_ms()
            self._do(member.lost(now) if answer is None else tell(answer, now))

        limit = self._network.settings.request_timeout_ms
        if isinstance(request, Join):
            limit = max(limit, self._settings.poll_ms + JOIN_MORE_MS)
        elif isinstance(request, Beat):
            limit = min(limit, self._settings.session_ms)
        link.request(api, version, [body], now + limit, answered)

    def _link(self, request: Request) -> Link | None:
        assert self._member, "it has asked"
        node = self._member.coordinator
        if isinstance(request, Find) or node is None:
            return self._network.any_link()
        link = self._network.coordinator(node)
        if isinstance(request, Leave) and link and link.in_flight:
            return self._network.link(node)  # brokers read no further while a JoinGroup waits
        return link

    def _body(self, request: Request, version: int) -> bytearray:
        settings = self._settings
        match request:
            case Find():
                return messages.find_coordinator_request(version, settings.group)
            case Join(member_id, topics):
                return messages.join_request(version, settings, member_id, messages.subscription(topics))
            case Sync(standing, assignments):
                return messages.sync_request(version, settings, standing, assignments)
            case Restore(keys):
                return messages.offset_fetch_request(version, settings, keys)
            case Beat(standing):
                return messages.heartbeat_request(version, settings, standing)
            case Commit(standing, offsets):
                return messages.offset_commit_request(version, settings, standing, offsets)
            case Leave(standing):
                return messages.leave_request(version, settings, standing)

    def _teller(self, request: Request, version: int) -> Callable[[Reader, float], list[Effect]]:
        """How the answer is told."""
        assert self._member, "it has asked"
        member = self._member
        match request:
            case Find():
                return lambda answer, now: member.found(now, *messages.read_find_coordinator(answer))
            case Join():
                return lambda answer, now: member.joined(now, messages.read_join(answer, version))
            case Sync():
                return lambda answer, now: member.synced(now, *messages.read_sync(answer, version))
            case Restore():
                return lambda answer, now: member.restored(now, *messages.read_offset_fetch(answer, version))
            case Beat():
                return lambda answer, now: member.beaten(now, messages.read_error(answer))
            case Commit(_, offsets):
                return lambda answer, now: member.committed(now, messages.read_offset_commit(answer), offsets)
            case Leave():
                return lambda answer, now: member.left(now, messages.read_error(answer))
