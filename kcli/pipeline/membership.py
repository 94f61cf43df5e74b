"""A member of a consumer group, by the classic protocol: what it does next, as a pure state machine.

Every event (`ticked`, `found`, `joined`, ...) returns what is to be done (Find, Join, ... Assign, Revoke). Whoever does
that tells the answers by the next event, unless `turn` has changed since: then nobody waits for them any more.

A rebalance is an eager one: what has been read is committed while the partitions are still ours, all of them are given
up, and only then is the group joined again. So no other member reads what this one has committed, and none misses it.
Source: KIP-62 (heartbeats, rebalance time-out), KIP-345 (group.instance.id), KIP-394 (a member id before the join).
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from kcli.errors import Failure, Refused
from kcli.pipeline.membership_assignor import Subscriber, assigned
from kcli.pipeline.membership_messages import (
    Joined,
    Key,
    Standing,
    assignment,
    read_assignment,
    read_subscription,
)
from kcli.pipeline.messages import EARLIEST, LATEST
from kcli.pipeline.settings import GroupSettings

UNKNOWN_TOPIC, TIMED_OUT, LOADING, NOT_AVAILABLE, NOT_COORDINATOR = 3, 7, 14, 15, 16
ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING, ID_REQUIRED, UNSTABLE = 22, 25, 27, 79, 88
GROUP_AUTHORIZATION_FAILED = 30
MOVED = frozenset({NOT_AVAILABLE, NOT_COORDINATOR})
LATER = frozenset({-1, TIMED_OUT, LOADING, UNSTABLE})
EXPELLED = frozenset({ILLEGAL_GENERATION, UNKNOWN_MEMBER})
STARTS = {"earliest": EARLIEST, "latest": LATEST}
NEVER = float("inf")


class Phase(Enum):
    COMMITTING = auto()  # before the partitions are given up
    JOINING = auto()
    ASSIGNING = auto()  # as the leader: the partitions of the topics are being learnt
    SYNCING = auto()
    RESTORING = auto()  # the committed offsets are being learnt
    STABLE = auto()
    LEAVING = auto()
    GONE = auto()


BEATS = frozenset({Phase.COMMITTING, Phase.RESTORING, Phase.STABLE})


class Find(NamedTuple):
    """Ask for the coordinator; tell by `found` or `lost`."""


class Join(NamedTuple):
    member_id: str
    topics: tuple[str, ...]


class Learn(NamedTuple):
    """Have fresh metadata of these topics; tell by `learnt`."""

    topics: frozenset[str]


class Sync(NamedTuple):
    standing: Standing
    assignments: Mapping[str, bytes]


class Restore(NamedTuple):
    keys: tuple[Key, ...]


class Beat(NamedTuple):
    standing: Standing


class Commit(NamedTuple):
    standing: Standing
    offsets: Mapping[Key, int]


class Leave(NamedTuple):
    standing: Standing


class Assign(NamedTuple):
    """Read from these offsets; negative ones are EARLIEST or LATEST."""

    starts: Mapping[Key, int]


class Revoke(NamedTuple):
    keys: frozenset[Key]


class Tell(NamedTuple):
    text: str


class Fail(NamedTuple):
    failure: Failure


Request = Find | Join | Sync | Restore | Beat | Commit | Leave
Effect = Request | Learn | Assign | Revoke | Tell | Fail


class Member:
    """`topics` are those that it wants to read of. Times are in ms."""

    def __init__(self, settings: GroupSettings, topics: Sequence[str]) -> None:
        self._settings, self._topics = settings, tuple(topics)
        self.phase = Phase.JOINING
        self.coordinator: int | None = None
        self.turn = 0
        self.standing = Standing()
        self.held: frozenset[Key] = frozenset()
        self._read: dict[Key, int] = {}
        self._committed: dict[Key, int] = {}
        self._asking = self._beating = False
        self._due = self._beat_at = self._commit_until = 0.0
        self._subscribers: list[Subscriber] = []
        self._counts: dict[str, int] | None = None  # what the assignment was made of; None: not by us
        self._assignments: dict[str, bytes] = {}

    @property
    def gone(self) -> bool:
        """Whether it has left."""
        return self.phase is Phase.GONE

    @property
    def next_ms(self) -> float:
        """When it wants to be ticked, if nothing happens before."""
        if self.phase is Phase.GONE:
            return NEVER
        moments = [NEVER if self._asking else self._due]
        if self.coordinator is not None and self.phase in BEATS and not self._beating:
            moments.append(self._beat_at)
        return min(moments)

    @property
    def uncommitted(self) -> dict[Key, int]:
        """What has been read and not been committed."""
        if not self._settings.auto_commit:
            return {}
        return {key: offset for key, offset in self._read.items() if self._committed.get(key) != offset}

    # --- what the owner tells

    def read(self, offsets: Mapping[Key, int]) -> None:
        """Everything before these offsets has been dealt with."""
        self._read |= {key: offset for key, offset in offsets.items() if key in self.held}

    def ticked(self, now: float) -> list[Effect]:
        """Time has passed."""
        if self.phase is Phase.GONE:
            return []
        effects: list[Effect] = []
        if not self._asking and now >= self._due:
            effects += self._advance(now)
        beats = self.coordinator is not None and self.phase in BEATS and not self._beating
        if beats and now >= self._beat_at:
            self._beating, self._beat_at = True, now + self._settings.heartbeat_ms
            effects.append(Beat(self.standing))
        return effects

    def topics_are(self, now: float, topics: Sequence[str], counts: Mapping[str, int]) -> list[Effect]:
        """The metadata is fresh: the topics to read of, and how many partitions every topic has."""
        changed = tuple(topics) != self._topics
        self._topics = tuple(topics)
        if self._counts is not None:
            changed = changed or any(counts.get(topic, 0) != count for topic, count in self._counts.items())
        return self._rebalance(now) if changed and self.phase is Phase.STABLE else []

    def leave(self, now: float) -> list[Effect]:
        """Commit what has been read, and leave the group; GONE is the end of that."""
        if self.phase is Phase.GONE:
            return []
        self._forget_requests()
        self.phase, self._due = Phase.LEAVING, now
        self._commit_until = NEVER
        return self.ticked(now)

    # --- answers

    def lost(self, now: float) -> list[Effect]:
        """The coordinator, or whoever was asked for it, does not answer: look for it again."""
        self._forget_requests()
        self.coordinator = None
        self._asking = self.phase is Phase.ASSIGNING  # that does not wait for the coordinator
        self._due = now + self._settings.backoff_ms
        return []

    def found(self, now: float, error: int, node: int) -> list[Effect]:
        self._asking = False
        if error in MOVED or error in LATER:
            return self.lost(now)
        if error:
            return [self._refused(error)]
        self.coordinator, self._due = node, now
        return self.ticked(now)

    def joined(self, now: float, told: Joined) -> list[Effect]:
        self._asking = False
        if told.error == ID_REQUIRED:
            self.standing = Standing(told.standing.member_id)
            return self.ticked(now)
        if told.error:
            return self._rejected(now, told.error)
        self.standing, self._counts = told.standing, None
        if told.leads:
            self.phase, self._asking = Phase.ASSIGNING, True
            self._subscribers = [
                Subscriber(name, instance, tuple(read_subscription(data))) for name, instance, data in told.members
            ]
            return [Learn(frozenset(topic for one in self._subscribers for topic in one.topics))]
        self.phase, self._assignments = Phase.SYNCING, {}
        return self.ticked(now)

    def learnt(self, now: float, counts: Mapping[str, int]) -> list[Effect]:
        """How many partitions the topics have."""
        if self.phase is not Phase.ASSIGNING:
            return []
        self._counts = {topic: counts.get(topic, 0) for one in self._subscribers for topic in one.topics}
        shares = assigned(self._subscribers, self._counts)
        self._assignments = {member_id: assignment(keys) for member_id, keys in shares.items()}
        self.phase, self._asking = Phase.SYNCING, False
        self._due = now
        return self.ticked(now)

    def synced(self, now: float, error: int, data: bytes) -> list[Effect]:
        self._asking = False
        if error:
            return self._rejected(now, error)
        self.held = frozenset(read_assignment(data))
        self._read, self._committed = {}, {}
        self.phase, self._beat_at = Phase.RESTORING, now + self._settings.heartbeat_ms
        return self.ticked(now)

    def restored(self, now: float, error: int, offsets: Mapping[Key, int]) -> list[Effect]:
        self._asking = False
        if error:
            return self._rejected(now, error)
        if self.phase is not Phase.RESTORING:  # the next rebalance has begun meanwhile
            return self.ticked(now)
        self._committed = {key: offset for key, offset in offsets.items() if offset >= 0}
        fresh = sorted(self.held - set(self._committed))
        start = STARTS.get(self._settings.reset)
        if fresh and start is None:
            names = ", ".join(f"{topic}-{partition}" for topic, partition in fresh)
            what = f"The group has no offsets of {names}, and auto.offset.reset is none"
            return [Fail(Failure(what, "Set them: kcli consumer-groups --reset-offsets."))]
        self.phase = Phase.STABLE
        self._due = now + self._settings.commit_ms
        return [Assign({key: self._committed.get(key, start or 0) for key in sorted(self.held)})]

    def beaten(self, now: float, error: int) -> list[Effect]:
        self._beating = False
        if error == REBALANCING:
            return self._rebalance(now)
        if not error or error in LATER:
            return []
        return self._rejected(now, error)

    def committed(self, now: float, errors: Mapping[Key, int], offsets: Mapping[Key, int]) -> list[Effect]:
        self._asking = False
        done = {key for key, error in errors.items() if error in (0, UNKNOWN_TOPIC)}  # a deleted topic has no offsets
        self._committed |= {key: offset for key, offset in offsets.items() if key in done}
        error = next((error for key, error in sorted(errors.items()) if key not in done), 0)
        if not error:
            if self.phase is Phase.STABLE:
                self._due = now + self._settings.commit_ms
                return []
            return self.ticked(now)
        if error == REBALANCING and self.phase is not Phase.LEAVING:
            return self._rejoin(now)
        if self.phase is Phase.LEAVING and (error in EXPELLED or error == REBALANCING):
            self._commit_until = now  # another member has the partitions, and begins where they were committed
            self._due = now
            return [Tell(f"What was read last is not committed: {Refused(error).message}"), *self.ticked(now)]
        return self._rejected(now, error)

    def left(self, now: float, error: int) -> list[Effect]:
        self._asking = False
        if error in MOVED or error in LATER:
            return self.lost(now)
        self.phase = Phase.GONE
        return []

    # --- inside

    def _advance(self, now: float) -> list[Effect]:
        """Begin what this phase is for."""
        if self.phase is Phase.LEAVING and not self.standing.member_id:
            self.phase = Phase.GONE
            return []
        if self.coordinator is None:
            self._asking = True
            return [Find()]
        if self.phase in (Phase.COMMITTING, Phase.LEAVING):
            if self.uncommitted and now < self._commit_until:
                self._asking = True
                return [Commit(self.standing, self.uncommitted)]
            return self._rejoin(now) if self.phase is Phase.COMMITTING else self._depart()
        if self.phase is Phase.STABLE:
            self._due = now + self._settings.commit_ms
            self._asking = bool(self.uncommitted)
            return [Commit(self.standing, self.uncommitted)] if self.uncommitted else []
        self._asking = True
        if self.phase is Phase.SYNCING:
            return [Sync(self.standing, self._assignments)]
        if self.phase is Phase.JOINING:
            return [Join(self.standing.member_id, self._topics)]
        if self.held:
            return [Restore(tuple(sorted(self.held)))]
        return self.restored(now, 0, {})

    def _depart(self) -> list[Effect]:
        if self._settings.instance is not None:  # whoever comes back under this name goes on with its partitions
            self.phase = Phase.GONE
            return []
        self._asking = True
        return [Leave(self.standing)]

    def _rebalance(self, now: float) -> list[Effect]:
        """The group wants to assign anew: commit, give up, join."""
        if self.phase not in (Phase.STABLE, Phase.RESTORING):
            return []
        self.phase, self._due = Phase.COMMITTING, now
        self._commit_until = now + self._settings.session_ms
        return self.ticked(now)

    def _rejoin(self, now: float) -> list[Effect]:
        """Give up all partitions, and join."""
        self._forget_requests()
        given_up = [Revoke(self.held)] if self.held else []
        self.held, self._read, self._committed = frozenset(), {}, {}
        self.phase, self._due = Phase.JOINING, now
        return [*given_up, *self.ticked(now)]

    def _rejected(self, now: float, error: int) -> list[Effect]:
        """The coordinator has refused."""
        if error in MOVED:
            return self.lost(now)
        if error in LATER:
            self._due = now + self._settings.backoff_ms
            return []
        if self.phase is Phase.LEAVING:
            self.phase = Phase.GONE
            return [self._refused(error)]
        if error in EXPELLED:
            self.standing = Standing("" if error == UNKNOWN_MEMBER else self.standing.member_id)
            lost = [Tell(f"The group {self._settings.group} has gone on without this member; joining it again")]
            return [*(lost if self.held else []), *self._rejoin(now)]
        if error == REBALANCING:
            return self._rejoin(now)
        return [self._refused(error)]

    def _forget_requests(self) -> None:
        self.turn += 1
        self._asking = self._beating = False

    def _refused(self, error: int) -> Fail:
        if error == GROUP_AUTHORIZATION_FAILED:
            return Fail(Refused(error, f"Not authorized to access group: {self._settings.group}"))
        return Fail(Refused(error))
