"""MetadataQuorum: one node's part in the metadata quorum; the raft core with its log and its files.

The core decides (server/raft); this does what its effects say, each to its end, in order, before it steps again. What
is committed is read back from the log, replayed into an image, and published.

An append counts only once it is on disk, a leader's and a follower's alike. The sync is the one thing that leaves the
loop: it runs in a thread, and what is appended meanwhile shares the next one.

`ask` answers what other nodes ask, and `server/broker/raft_peers.py` carries what this one asks them.

Source: KIP-595, KIP-630.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from server.broker.disagreements import Disagreements
from server.broker.raft_peers import Heard, RaftPeers
from server.broker.snapshots import SnapshotId, Torn
from server.broker.snapshotting import Snapshotting
from server.log.log import Log, Origin
from server.log.sync import sync_all
from server.metadata.delta import Delta
from server.metadata.image import Image
from server.metadata.loader import Loader
from server.metadata.record_format import decode, encode
from server.metadata.records import Record
from server.model.errors import ErrorCode, Rejected
from server.model.ids import RaftEpoch
from server.ports import Buffer, Clock, Disk
from server.raft import effects, events, requests, responses, rpc
from server.raft.quorum import Quorum
from server.raft.rpc import OffsetAndEpoch
from server.raft.state import format_state
from server.raft.voters import VoterSet
from server.records import batch, build, control

logger = logging.getLogger(__name__)

QUORUM_STATE = "quorum-state"
READ_BYTES = 1 << 20
# A follower cuts what its leader tells it to, in answer to a fetch, and a fetch waits until all before it is on disk.
# So no flush ends with news of records that were cut off meanwhile, and whose place others have taken.
CUT = "the log is not cut while it is being flushed"
LEAVE_MS = 500  # how long a node that stops waits for the others to take note


class Node(Protocol):
    """Who is told what the quorum does."""

    def publish(self, delta: Delta, image: Image) -> None:
        """A change is committed: the delta, and the image that it led to."""
        ...

    def lead(self) -> None:
        """This node leads the quorum, and has published all that earlier leaders committed."""
        ...

    def follow(self) -> None:
        """This node does not lead the quorum (any longer): another does, or nobody that it knows of."""
        ...

    def broken(self, error: BaseException) -> None:
        """The metadata log cannot be written or read: the node cannot go on."""
        ...


class Question:
    """A request of another node, and the answer that it waits for. Two are never the same: a Token of the core's."""

    __slots__ = ("answer", "message")

    def __init__(self, message: Any) -> None:
        self.message = message
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class MetadataQuorum:
    def __init__(
        self,
        core: Quorum,
        log: Log,
        loader: Loader,
        snapshotting: Snapshotting,
        disk: Disk,
        clock: Clock,
        node: Node,
        cluster_id: str,
        connect: Callable[[Heard], RaftPeers],
    ) -> None:
        """
        loader   has the image of the latest snapshot; what is committed behind it is read from the log
        connect  makes the way to other nodes, which tells what it hears
        """
        self.core, self.log = core, log
        self._cluster_id, self._peers = cluster_id, connect(self._step)
        self._snapshotting, self._disagreements = snapshotting, Disagreements(core.me)
        self._loader, self._disk, self._clock, self._node = loader, disk, clock, node
        self._applied = loader.image.offset + 1  # the offset of the next record to apply
        self._leads_from: int | None = None  # lead once this offset is applied
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()  # (last offset, done) of appends
        self._events: deque[events.Event] = deque()
        self._stepping = self._closed = self._flushing = False
        self._known_segments = 0  # whose names are durable
        self._timer: asyncio.TimerHandle | None = None

    @property
    def image(self) -> Image:
        """The committed image."""
        return self._loader.image

    def start(self) -> None:
        """Begin; a quorum of one leads when this returns, and its first record waits for the disk."""
        self.log.flush()  # the core takes what is there for flushed, and a process that was killed may not have done it
        self._step(events.Started())

    async def leave(self) -> None:
        """Stop leading, and let the others know, so that they need not find out by themselves."""
        self._step(events.Stopping())
        await self._peers.settle(LEAVE_MS)

    def close(self) -> None:
        """Stop leading, and stop stepping. The log is its directory's to close."""
        self._step(events.Stopping())
        self._closed = True
        self._peers.close()
        if self._timer is not None:
            self._timer.cancel()
        self._refuse_waiting()

    async def ask(self, message: Any) -> Any:
        """Answer a request of another node's core: the response message.

        Raises Rejected: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST; BROKER_NOT_AVAILABLE while this node stops.
        """
        request = requests.of_message(message, self._cluster_id)
        if self._closed:
            raise Rejected(ErrorCode.BROKER_NOT_AVAILABLE)
        if isinstance(request, rpc.FetchRequest) and self.core.is_leader and request.replica.id >= 0:
            self._disagreements.fetched(request.replica)
        question = Question(message)
        self._step(events.Asked(question, request))
        return await question.answer

    def append(self, records: Sequence[Record], metadata_version: int) -> tuple[int, asyncio.Future[None]]:
        """Append records as one batch of this epoch: the last one's offset, and a future that is done at commit.

        Raises Rejected(NOT_CONTROLLER): this node does not lead.
        """
        if self._closed or not self.core.is_leader:
            raise Rejected(ErrorCode.NOT_CONTROLLER)
        now = self._clock.timestamp_ms()
        epoch = self.core.epoch
        data = build.build(
            [batch.Record(0, now, None, encode(record, metadata_version)) for record in records],
            base_offset=self.log.leo,
            leader_epoch=epoch,
        )
        last = self._append(data, epoch, now)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((last, done))
        self._step(events.Appended(last + 1))
        return last, done

    def upgrade(self, version: int) -> asyncio.Future[None]:
        """Raise kraft.version, where the core does not refuse to: a future that is done at commit."""
        self._step(events.Upgrade(version))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.log.leo - 1, done))
        return done

    def _append(self, data: bytes, epoch: int, timestamp_ms: int) -> int:
        """Write a batch, and have it flushed with what else this turn appends. Returns its last offset."""
        appended = self.log.append(data, epoch, timestamp_ms, origin=Origin.RAFT_LEADER)
        self._flush_soon()
        return appended.last_offset

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Sync what is written: in a thread, except where a new segment's name must be made durable with it."""
        if self._closed:
            return
        end = self.log.leo
        if len(self.log.segments) != self._known_segments:
            try:
                self.log.flush()
            except Rejected as e:
                self._node.broken(e)
                return
            self._known_segments = len(self.log.segments)
            self._flushed(end)
        else:
            paths = [self.log.segments.active.log_path]
            syncing = asyncio.get_running_loop().run_in_executor(None, sync_all, self._disk, paths, ())
            syncing.add_done_callback(partial(self._synced, end))

    def _synced(self, end: int, syncing: "asyncio.Future[None]") -> None:
        error = syncing.exception()
        if error is not None:
            self._node.broken(error)
        elif not self._closed:
            self._flushed(end)

    def _flushed(self, end: int) -> None:
        """Everything below `end` is on disk; what was appended during the sync shares the next one."""
        self._flushing = False
        if self.log.leo > end:
            self._flush_soon()
        self._step(events.Flushed(end))

    # Stepping

    def _step(self, event: events.Event) -> None:
        self._events.append(event)
        if self._stepping or self._closed:
            return
        self._stepping = True
        try:
            while self._events:
                for effect in self.core.step(self._events.popleft(), self._clock.now_ms()):
                    self._do(effect)
        except (OSError, Rejected, Torn) as e:
            self._node.broken(e)
        finally:
            self._stepping = False
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.core.next_deadline_ms
        if deadline is not None and not self._closed:
            wait_s = max(deadline - self._clock.now_ms(), 0) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._step, events.Ticked())

    def _do(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Persist(state):
                voters = self.core.voters.ids
                self._disk.replace(
                    f"{self.log.path}/{QUORUM_STATE}", format_state(state, voters, self.core.history.kraft_version)
                )
            case effects.AppendControl(controls, base_offset, epoch):
                now = self._clock.timestamp_ms()
                data = control.batch_of(controls, base_offset=base_offset, leader_epoch=epoch, timestamp_ms=now)
                self._append(data, epoch, now)
            case effects.HwAdvanced(offset):
                self._apply(offset)
            case effects.Lead(_, start_offset):
                self._leads_from = start_offset
            case effects.Follow():
                self._leads_from = None
                self._refuse_waiting()
                self._check_identity()
                self._node.follow()
            case _:
                self._do_with_others(effect)

    def _do_with_others(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Send(peer, request):
                self._peers.send(peer, request)
            case effects.Answer(Question() as question, response):
                self._answer(question, response)
            case effects.AppendFetched(records):
                self.log.append_as_follower(records, self._clock.timestamp_ms())
                self._flush_soon()
            case effects.Truncate(end_offset):
                assert not self._flushing, CUT
                self.log.truncate_to(end_offset)
            case effects.StoreSnapshot(id_, position, data):
                self._snapshotting.store(SnapshotId(*id_), position, data)
            case effects.InstallSnapshot(id_):
                self._install(SnapshotId(*id_))
            case _:
                raise AssertionError(f"{effect} is nothing that a shell does")

    # What others ask

    def _answer(self, question: Question, response: rpc.Response) -> None:
        """Fill in what the core left to be read, and answer."""
        data: Buffer = b""
        size = 0
        match response:
            case rpc.FetchResponse(read_from=start, read_to=end) if start >= 0:
                data = self.log.read(start, READ_BYTES, end, minimum_one=True).data
            case rpc.FetchSnapshotResponse(ErrorCode.NONE, snapshot=snapshot, position=position):
                size, data = self._snapshotting.piece(SnapshotId(*snapshot), position, READ_BYTES)
                if position >= size:
                    response = replace(response, error=ErrorCode.POSITION_OUT_OF_RANGE)
        if not question.answer.done():
            question.answer.set_result(responses.to_message(question.message, response, data, size))

    def _install(self, id_: SnapshotId) -> None:
        """Take a snapshot of the leader's for everything that is committed up to its end."""
        assert not self._flushing, CUT
        taken = self._snapshotting.finish(id_)
        self.log.truncate_fully_and_start_at(id_.end_offset, self._clock.timestamp_ms())
        versions = [said.kraft_version for said in taken.controls if isinstance(said, control.KRaftVersion)]
        voters = [VoterSet.of(said) for said in taken.controls if isinstance(said, control.Voters)]
        installed = events.SnapshotInstalled(
            OffsetAndEpoch(id_.end_offset, RaftEpoch(id_.epoch)),
            versions[-1] if versions else 0,
            voters[-1] if voters else None,
        )
        self._events.appendleft(installed)
        self._applied = self.log.hw = id_.end_offset
        self._node.publish(
            *self._loader.snapshot(taken.records, id_.end_offset - 1, id_.epoch, taken.last_timestamp_ms)
        )

    def _refuse_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for _, done in waiting:
            if not done.done():
                done.set_exception(Rejected(ErrorCode.NOT_CONTROLLER))
                done.exception()  # whoever waited may be gone

    # Applying

    def _apply(self, hw: int) -> None:
        """Replay and publish what is committed; then answer who waited for it."""
        while self._applied < hw:
            data = self.log.read(self._applied, READ_BYTES, hw, minimum_one=True).data
            for at, head in batch.headers(data):
                self._apply_batch(data, at, head)
        self.log.hw = hw
        while self._waiting and self._waiting[0][0] < hw:
            _, done = self._waiting.popleft()
            if not done.done():
                done.set_result(None)
        if self._leads_from is not None and hw > self._leads_from:
            self._leads_from = None
            self._node.lead()

    def keep_small(self) -> None:
        """Take a snapshot if one is due, and drop what older snapshots and records are no longer needed."""
        try:
            self._keep_small()
        except (OSError, Rejected) as e:
            self._node.broken(e)

    def _keep_small(self) -> None:
        now, timestamp = self._clock.now_ms(), self._clock.timestamp_ms()
        whole = self.image.offset + 1 == self._applied  # not inside a transaction
        taken = self._snapshotting.take(self.image, self.core.history, now, timestamp) if whole else None
        if taken is not None:
            self._step(events.SnapshotTaken(OffsetAndEpoch(taken.end_offset, RaftEpoch(taken.epoch))))
        start = self._snapshotting.expire(self.log.size, timestamp)
        if start is not None and start > self.log.log_start_offset:
            self.log.advance_log_start(start)
            self._step(events.LogStartMoved(start))

    def _apply_batch(self, data: bytes | memoryview, at: int, head: batch.Header) -> None:
        epoch = head.partition_leader_epoch
        if head.is_control:
            self._read_controls(data, at, epoch)
            published = self._loader.batch(head.last_offset, epoch, head.max_timestamp, ())
        else:
            records = [decode(record.value or b"") for record in batch.records(data, at)]
            published = self._loader.batch(head.base_offset, epoch, head.max_timestamp, records)
        self._applied = head.next_offset
        self._snapshotting.applied(head.size)
        for delta, image in published:
            self._node.publish(delta, image)

    def _read_controls(self, data: bytes | memoryview, at: int, epoch: int) -> None:
        """See whether what the quorum says of its voters goes with what this node knows of them."""
        for record in batch.records(data, at):
            said = control.decode(record.key, record.value)
            if isinstance(said, control.LeaderChange) and said.version == 0 and epoch == self.core.epoch:
                self._disagreements.led(said, self.core.voters.ids)
            elif isinstance(said, control.Voters):
                self._check_identity()

    def _check_identity(self) -> None:
        in_log = self.core.history.kraft_version > 0 and self.core.leader_id is not None
        self._disagreements.voters(self.core.voters.get(self.core.me.id) if in_log else None)
