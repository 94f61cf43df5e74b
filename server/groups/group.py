"""What every kind of group is, as offsets and the lists of groups see it; and the turn in which a group is changed.

A Turn gathers what a decision causes: records, effects. Its methods take durations, the effects hold points of time.
Source: KIP-848 (several protocols of groups in one coordinator).
"""

from collections.abc import Hashable, Iterable
from typing import Any, Protocol, TypeVar

from server.model.coordination import Answer, Cancel, Decision, Entry, Now, Timer

R = TypeVar("R")


class Group(Protocol):
    """A group of some kind. The checks raise Rejected."""

    group_id: str
    kind: str  # Classic, Consumer: as ListGroups names it

    @property
    def state_name(self) -> str: ...

    @property
    def protocol_type(self) -> str | None: ...

    @property
    def empty(self) -> bool:
        """Nobody is in it, nor about to be: it may go once its offsets are gone."""
        ...

    def check_commit(
        self,
        member_id: str,
        instance_id: str | None,
        generation: int,
        *,
        transactional: bool,
        partitions: Iterable[tuple[str, int]] = (),
    ) -> None:
        """partitions: topic and index of what is to be committed."""
        ...

    def check_fetch(self, member_id: str | None, member_epoch: int) -> None: ...

    def check_delete(self) -> None: ...

    def check_offset_delete(self) -> None: ...

    def subscribed_to(self, topic: str) -> bool: ...

    def unused_since(self, commit_timestamp_ms: int) -> int | None:
        """From when on the retention of an offset that was committed at this time counts. None: it is in use."""
        ...

    def committed(self, turn: "Turn", member_id: str) -> None:
        """A member has committed offsets, and so is alive."""
        ...

    def tombstones(self) -> list[Entry]:
        """The end of all its records but offsets."""
        ...


class Turn:
    """One decision in the making."""

    def __init__(self, now: Now) -> None:
        self.now = now
        self.records: list[Entry] = []
        self.effects: list[Any] = []

    def after(self, key: Hashable, delay_ms: int) -> None:
        self.effects.append(Timer(key, self.now.ms + delay_ms))

    def cancel(self, key: Hashable) -> None:
        self.effects.append(Cancel(key))

    def answer(self, token: int, response: Any) -> None:
        self.effects.append(Answer(token, response))

    def decision(self, response: R) -> Decision[R]:
        return Decision(tuple(self.records), response, tuple(self.effects))
