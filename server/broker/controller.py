"""ActiveController: decides against the image with its uncommitted tail, answers when the records are committed.

The committed image is what every node has replayed. The tail image runs ahead of it by the records that this controller
has appended and the quorum has not committed yet; two decisions in a row must see one another, so decisions read the
tail. An answer leaves only at commit. Whoever loses the leadership forgets the tail: with immutable images that is one
assignment, and every waiting request is refused with NOT_CONTROLLER.

Source: KIP-631.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from server.broker.quorum import MetadataQuorum
from server.metadata.controller.decision import Decision
from server.metadata.delta import Delta
from server.metadata.image import Image
from server.metadata.records import BeginTransactionRecord, EndTransactionRecord, NoOpRecord, Record
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NO_LEADER, NodeId
from server.ports import Clock
from server.raft.quorum import Description
from server.raft.voters import Peer, Voter

logger = logging.getLogger(__name__)

R = TypeVar("R")
FRAMES = (BeginTransactionRecord, EndTransactionRecord)


class ActiveController:
    """The controller's shell on one node; `active` while this node leads the metadata quorum."""

    def __init__(self, quorum: MetadataQuorum, clock: Clock, max_idle_ms: int) -> None:
        """max_idle_ms: metadata.max.idle.interval.ms; 0 for no such records."""
        self._quorum, self._clock = quorum, clock
        self._max_idle_ms = max_idle_ms
        self._tail: Image | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._last: asyncio.Future[None] | None = None  # of this reign; done when the tail is committed
        self._last_append_ms = 0

    @property
    def leader_id(self) -> NodeId:
        """The active controller, as far as this node knows; -1 for none."""
        leader = self._quorum.core.leader_id
        return NO_LEADER if leader is None else leader

    @property
    def leader_peer(self) -> Peer | None:
        """Where the active controller listens, as far as this node knows."""
        return self._quorum.core.leader_peer

    async def ask(self, message: Any) -> Any:
        """Answer what another replica of the metadata log asks this one. Raises Rejected."""
        return await self._quorum.ask(message)

    @property
    def voters(self) -> tuple[Voter, ...]:
        return self._quorum.core.voters.voters

    def describe_quorum(self, now_ms: int) -> Description | None:
        """The quorum as its leader sees it; None where this node is not the leader."""
        return self._quorum.core.describe(now_ms)

    @property
    def kraft_version(self) -> int:
        """1: the voters stand in the metadata log. 0: they are configured."""
        return self._quorum.core.history.kraft_version

    def upgrade_refusal(self, version: int) -> str | None:
        """Why this controller cannot raise kraft.version to `version`, in Kafka's words; None: it can."""
        return self._quorum.core.upgrade_refusal(version)

    def upgrade(self, version: int) -> None:
        """Raise kraft.version, inside of a decision: its answer waits for that as well."""
        self._last = self._quorum.upgrade(version)

    @property
    def active(self) -> bool:
        return self._tail is not None

    @property
    def image(self) -> Image:
        """What decisions read. Raises Rejected(NOT_CONTROLLER) while this node does not lead."""
        if self._tail is None:
            raise Rejected(ErrorCode.NOT_CONTROLLER)
        return self._tail

    async def lead(self, committed: Image, bootstrap: Sequence[Record]) -> None:
        """Take over. `bootstrap` is written first where the log holds no metadata yet, and waited for."""
        self._tail, self._last = committed, None
        if bootstrap:
            self._append(bootstrap)
            await self._settled()
        if self._max_idle_ms > 0:
            self._idle_later()

    def resign(self) -> None:
        self._tail = None
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    async def decide(self, decide: Callable[[Image], Decision[R]]) -> R:
        """Run a decision, append its records, return its response once they are committed.

        An answer that changes nothing, and a refusal, wait for the tail that they were read from: it may be lost.
        Raises Rejected: what the decision refuses; NOT_CONTROLLER when this node does not lead, or stops before the
        records are committed (whether they were is then for the next leader to know).
        """
        try:
            decision = decide(self.image)
        except Rejected:
            await self._settled()
            raise
        if decision.records:
            self._append(decision.records)
        await self._settled()
        return decision.response

    async def _settled(self) -> None:
        """Wait until what is appended by now is committed. Raises Rejected(NOT_CONTROLLER): it may never be."""
        if self._last is not None:
            # Many wait for one append: the one of them that is cancelled must not take it from the others.
            await asyncio.shield(self._last)

    def _append(self, records: Sequence[Record]) -> None:
        """Put `records` behind the tail. What the image refuses to replay never reaches the log."""
        tail = self.image
        delta = Delta(tail)
        for record in records:
            if not isinstance(record, FRAMES):
                delta.replay(record)
        last, self._last = self._quorum.append(records, tail.metadata_version)
        self._tail = delta.image(last, self._quorum.core.epoch, self._clock.timestamp_ms())
        self._last_append_ms = self._clock.now_ms()

    def _idle_later(self) -> None:
        self._idle = asyncio.get_running_loop().call_later(self._max_idle_ms / 1000, self._idled)

    def _idled(self) -> None:
        """Keep the metadata log moving (KIP-835): observers learn from it that they are not behind."""
        try:
            if self._clock.now_ms() - self._last_append_ms >= self._max_idle_ms:
                self._append((NoOpRecord(),))
        except Rejected as e:
            if e.code != ErrorCode.NOT_CONTROLLER:  # it leads no more, and is just about to be told
                logger.error("the metadata log does not move: %s", e)  # the failed log has told the node already
        else:
            self._idle_later()
