"""Consumers of a group in a simulated world: they find the coordinator, join, share partitions, commit, and misbehave.

A member follows the classic protocol as Kafka's clients do: a coordinator that goes away is looked for again, and the
generation is kept until somebody says that it is over. What each owned, delivered and committed goes into one Ledger,
which knows what may not be.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from server.model.errors import ErrorCode
from server.wire.messages.find_coordinator import FindCoordinatorRequest
from server.wire.messages.heartbeat import HeartbeatRequest
from server.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from server.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from server.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from server.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from server.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tests.sim.actors import Place
from tests.sim.client import Broken, Client

OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 8, 9, 10, 11, 12, 13, 14
SESSION_MS, REBALANCE_MS, HEARTBEAT_S = 3_000, 4_000, 0.3
NEWEST_BY_NAME = 9  # of OffsetCommit and OffsetFetch: later versions name topics by id
LOST = (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)


class Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(ErrorCode(code).name)
        self.code = ErrorCode(code)


@dataclass
class Ledger:
    """What all members of one group did. Generations are of assignments, each of which stands in the log.

    sent      how far anybody ever asked to commit
    acked     (generation, offset) of each acknowledged commit
    heard     called at the moment at which a commit is acknowledged
    """

    heard: Callable[[], None]

    owners: dict[tuple[int, Place], str] = field(default_factory=dict)
    sent: dict[Place, int] = field(default_factory=dict)
    acked: dict[Place, list[tuple[int, int]]] = field(default_factory=dict)
    commits: int = 0
    generations: set[int] = field(default_factory=set)

    def owns(self, member: str, generation: int, places: Sequence[Place]) -> None:
        self.generations.add(generation)
        for place in places:
            known = self.owners.setdefault((generation, place), member)
            assert known == member, f"{place} has two owners in generation {generation}: {known} and {member}"

    def least(self, place: Place, generation: int) -> int:
        """What one who owns a partition in this generation must find committed."""
        return max((offset for of, offset in self.acked.get(place, ()) if of <= generation), default=-1)

    def found(self, place: Place, offset: int, least: int) -> None:
        assert offset >= least, f"{place}: {offset} is committed, and {least} was acknowledged before"
        assert offset <= self.sent.get(place, -1), f"{place}: {offset} is committed, and nobody asked for that"

    def committed(self, place: Place, generation: int, offset: int) -> None:
        self.acked.setdefault(place, []).append((generation, offset))
        self.commits += 1


class Member:
    """find: a client to any broker, or to the one of this id."""

    def __init__(
        self, name: str, group: str, places: Sequence[Place], ledger: Ledger, rng: Random, find: Callable[[int], Client]
    ) -> None:
        self.name, self.group, self.places, self.ledger, self.rng, self._find = name, group, places, ledger, rng, find
        self.member_id, self.generation = "", -1
        self.positions: dict[Place, int] = {}
        self.stopping = self.behaving = self.dead = False
        self._client: Client | None = None

    @property
    def owned(self) -> frozenset[Place]:
        return frozenset(self.positions)

    def die(self) -> None:
        """Never be heard of again."""
        self._lose_coordinator()
        self.dead = True

    async def run(self) -> None:
        while not (self.stopping or self.dead):
            try:
                await self._join()
                await self._work()
            except Broken:
                self._lose_coordinator()
            except Refused as refused:
                self._heed(refused.code)
            await asyncio.sleep(self.rng.uniform(0.02, 0.2))
        self._lose_coordinator()

    def _heed(self, code: ErrorCode) -> None:
        if code in LOST:
            self._lose_coordinator()
        elif code is ErrorCode.UNKNOWN_MEMBER_ID:
            self.member_id = ""
        if code not in LOST:
            self.generation, self.positions = -1, {}

    def _lose_coordinator(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    async def _call(self, key: int, request: Any) -> Any:
        """Ask the coordinator. Raises Broken; Refused: an error of the whole request."""
        if self.dead:
            raise Broken("dead")
        if self._client is None:
            await self._find_coordinator()
        assert self._client is not None
        answer = await self._client.call(key, request)
        code = getattr(answer, "error_code", 0)
        if code and code != ErrorCode.MEMBER_ID_REQUIRED:
            raise Refused(code)
        return answer

    async def _find_coordinator(self) -> None:
        anybody = self._find(-1)
        try:
            anybody.use_newest(FIND_COORDINATOR)
            answer = await anybody.call(FIND_COORDINATOR, FindCoordinatorRequest(coordinator_keys=[self.group]))
        finally:
            anybody.disconnect()
        row = answer.coordinators[0]
        if row.error_code:
            raise Refused(row.error_code)
        self._client = client = self._find(row.node_id)
        for key in (JOIN_GROUP, SYNC_GROUP, HEARTBEAT, LEAVE_GROUP):
            client.use_newest(key)
        client.use(OFFSET_COMMIT, NEWEST_BY_NAME)
        client.use(OFFSET_FETCH, NEWEST_BY_NAME)

    # one life in one generation

    async def _join(self) -> None:
        if self.generation >= 0:
            return  # only the coordinator was lost
        protocols = [JoinGroupRequestProtocol("range", b"")]
        while True:
            request = JoinGroupRequest(self.group, SESSION_MS, REBALANCE_MS, self.member_id, None, "sim", protocols)
            answer: JoinGroupResponse = await self._call(JOIN_GROUP, request)
            self.member_id = answer.member_id
            if answer.error_code != ErrorCode.MEMBER_ID_REQUIRED:
                break
        given = []
        if answer.leader == self.member_id:
            ids = sorted(row.member_id for row in answer.members)
            deal = {each: [str(place) for place in self.places[at :: len(ids)]] for at, each in enumerate(ids)}
            given = [SyncGroupRequestAssignment(each, json.dumps(rows).encode()) for each, rows in deal.items()]
        sync = SyncGroupRequest(self.group, answer.generation_id, self.member_id, None, "sim", "range", given)
        mine = json.loads((await self._call(SYNC_GROUP, sync)).assignment or b"[]")
        places = [place for place in self.places if str(place) in mine]
        self.ledger.owns(self.member_id, answer.generation_id, places)
        await self._read_positions(answer.generation_id, places)
        self.generation = answer.generation_id

    async def _read_positions(self, generation: int, places: Sequence[Place]) -> None:
        least = {place: self.ledger.least(place, generation) for place in places}
        topics = [OffsetFetchRequestTopics(place.topic, partition_indexes=[place.index]) for place in places]
        wanted = OffsetFetchRequestGroup(self.group, None, -1, topics)
        answer = await self._call(OFFSET_FETCH, OffsetFetchRequest(groups=[wanted], require_stable=True))
        if answer.groups[0].error_code:
            raise Refused(answer.groups[0].error_code)
        positions = {}
        for place, topic in zip(places, answer.groups[0].topics, strict=True):
            offset = topic.partitions[0].committed_offset
            self.ledger.found(place, offset, least[place])
            positions[place] = max(offset, 0)
        self.positions = positions

    async def _work(self) -> None:
        while not (self.stopping or self.dead):
            await asyncio.sleep(self.rng.uniform(0.5, 1) * HEARTBEAT_S)
            if not self.behaving and self.rng.random() < 0.02:
                await self._misbehave()
                return
            if self.positions and self.rng.random() < 0.7:
                await self._commit()
            beat = HeartbeatRequest(self.group, self.generation, self.member_id)
            await self._call(HEARTBEAT, beat)

    async def _commit(self) -> None:
        for place in self.positions:
            self.positions[place] += self.rng.randint(0, 9)
            self.ledger.sent[place] = max(self.ledger.sent.get(place, -1), self.positions[place])
        committed, generation = dict(self.positions), self.generation
        topics = [
            OffsetCommitRequestTopic(place.topic, partitions=[OffsetCommitRequestPartition(place.index, offset)])
            for place, offset in committed.items()
        ]
        request = OffsetCommitRequest(self.group, generation, self.member_id, topics=topics)
        answer = await self._call(OFFSET_COMMIT, request)
        for (place, offset), topic in zip(committed.items(), answer.topics, strict=True):
            code = topic.partitions[0].error_code
            if code:
                raise Refused(code)
            self.ledger.committed(place, generation, offset)
        self.ledger.heard()

    async def _misbehave(self) -> None:
        """Leave, die without a word, or stop the world for a while: some pauses are longer than a session."""
        what = self.rng.choice(["leave", "die", "pause", "pause"])
        if what == "leave":
            await self._call(LEAVE_GROUP, LeaveGroupRequest(self.group, members=[MemberIdentity(self.member_id)]))
        if what == "pause":
            await asyncio.sleep(self.rng.uniform(0.5, 2 * SESSION_MS / 1000))
            return
        self._lose_coordinator()
        self.member_id, self.generation, self.positions = "", -1, {}
        await asyncio.sleep(self.rng.uniform(0.1, 3))
