"""A member of a consumer group: how it described itself, what it has, and its next step towards its target assignment.

A member holds on to partitions in one of three states. From the target assignment of a newer epoch it first gives up
what it shall not keep, in its old epoch (UNREVOKED); then it enters the new epoch with what is free, and gets the rest
as other members give that up (UNRELEASED), until it has all (STABLE).

Source: KIP-848, KIP-1251 (assignment epochs).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from uuid import UUID

from server.groups.consumer import records as r

Place = tuple[UUID, int]  # topic id, partition
Places = frozenset[Place]
Epochs = Mapping[Place, int]  # what a member has -> the epoch in which it got it
NOTHING: Places = frozenset()
LEFT, LEFT_STATIC, JOINING = -1, -2, 0  # epochs in a member's request that say so


class State(IntEnum):
    STABLE = 0
    UNREVOKED = 1
    UNRELEASED = 2
    UNKNOWN = 127  # of a later version


@dataclass(frozen=True, slots=True)
class Member:
    """
    names, regex  its subscription; an empty regex is none
    epoch         of the group's assignment that it has reached; LEFT_STATIC: away, and expected back
    assigned      what it has, and keeps
    revoking      what it has been told to give up, and has not said that it did
    """

    member_id: str
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    names: tuple[str, ...] = ()
    regex: str = ""
    rebalance_timeout_ms: int = -1
    assignor: str | None = None
    epoch: int = 0
    previous_epoch: int = 0
    state: State = State.STABLE
    assigned: Epochs = field(default_factory=dict)
    revoking: Epochs = field(default_factory=dict)

    def reached(self, epoch: int) -> bool:
        return self.state is State.STABLE and self.epoch == epoch

    def described(self, value: r.MemberValue) -> "Member":
        """As a record says that it described itself."""
        return replace(
            self,
            instance_id=value.instance_id,
            rack_id=value.rack_id,
            client_id=value.client_id,
            client_host=value.client_host,
            names=tuple(value.subscribed_topic_names),
            regex=value.subscribed_topic_regex or "",
            rebalance_timeout_ms=value.rebalance_timeout_ms,
            assignor=value.server_assignor,
        )

    def placed(self, value: r.CurrentValue) -> "Member":
        """Where a record says that it is."""
        known = {state.value for state in State}
        return replace(
            self,
            epoch=value.member_epoch,
            previous_epoch=value.previous_member_epoch,
            state=State(value.state) if value.state in known else State.UNKNOWN,
            assigned=_epochs(value.assigned_partitions, value.member_epoch),
            revoking=_epochs(value.partitions_pending_revocation, value.member_epoch),
        )

    def description(self) -> r.MemberValue:
        regex = self.regex or None
        mine = (self.instance_id, self.rack_id, self.client_id, self.client_host, self.names, regex)
        return r.MemberValue(*mine, self.rebalance_timeout_ms, self.assignor)

    def place(self) -> r.CurrentValue:
        return r.CurrentValue(
            self.epoch, self.previous_epoch, self.state, _current(self.assigned), _current(self.revoking)
        )


def by_topic(places: Iterable[Place]) -> dict[UUID, list[int]]:
    """Partitions by topic, both in order."""
    found: dict[UUID, list[int]] = {}
    for topic_id, partition in sorted(places):
        found.setdefault(topic_id, []).append(partition)
    return found


def _current(epochs: Epochs) -> Sequence[r.CurrentPartitions]:
    return [
        r.CurrentPartitions(topic_id, partitions, [epochs[topic_id, index] for index in partitions])
        for topic_id, partitions in by_topic(epochs).items()
    ]


def _epochs(rows: Iterable[r.CurrentPartitions], epoch: int) -> dict[Place, int]:
    """epoch: what counts where a record, of an older version, says nothing."""
    found = {}
    for row in rows:
        epochs = row.assignment_epochs or [epoch] * len(row.partitions)
        found.update({(row.topic_id, index): at for index, at in zip(row.partitions, epochs, strict=True)})
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """What a member's next step depends on.

    target, epoch  its target assignment, and the epoch of that
    taken          whether another member has a partition, or has not given it up yet
    owned          what the member says that it has; None: it said nothing
    """

    target: Places
    epoch: int
    taken: Callable[[Place], bool]
    owned: Collection[Place] | None

    def of(self, member: Member) -> Member:
        """The member after this step; the same one, where there is none to be made."""
        match member.state:
            case State.STABLE if member.epoch == self.epoch and member.assigned.keys() <= self.target:
                return member
            case State.STABLE | State.UNRELEASED:
                return self._next(member, member.epoch)
            case State.UNREVOKED:
                if self._holds(member.revoking):
                    return member
                return self._next(member, min(member.epoch + 1, self.epoch))
            case _:
                return self._next(replace(member, state=State.STABLE), self.epoch)

    def _holds(self, places: Iterable[Place]) -> bool:
        return self.owned is None or any(place in self.owned for place in places)

    def _next(self, member: Member, epoch: int) -> Member:
        """epoch: in which it stays, if there is something to be given up."""
        kept = {place: at for place, at in member.assigned.items() if place in self.target}
        gone = {place: at for place, at in member.assigned.items() if place not in self.target}
        if gone and self._holds(gone):
            return _entered(member, epoch, State.UNREVOKED, kept, gone)
        wanted = self.target - kept.keys()
        free = {place: self.epoch for place in wanted if not self.taken(place)}
        state = State.STABLE if len(free) == len(wanted) else State.UNRELEASED
        return _entered(member, self.epoch, state, {**kept, **free}, {})


def _entered(member: Member, epoch: int, state: State, assigned: Epochs, revoking: Epochs) -> Member:
    previous = member.previous_epoch if epoch == member.epoch else member.epoch
    return replace(member, epoch=epoch, previous_epoch=previous, state=state, assigned=assigned, revoking=revoking)
