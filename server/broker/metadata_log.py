"""Opening the metadata log: what is on disk, made into the raft core, the image, and the quorum around them.

Beside the log lie `quorum-state` and the snapshots; `bootstrap.checkpoint` lies in the directory above, and is what the
first controller of a cluster starts from.

Source: KIP-595, KIP-630, KIP-778, KIP-853.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from server.broker.quorum import QUORUM_STATE, MetadataQuorum, Node
from server.broker.raft_peers import Heard, RaftPeers
from server.broker.snapshots import BOOTSTRAP, Snapshot, SnapshotId, Snapshots, read
from server.broker.snapshotting import SnapshotLimits, Snapshotting
from server.config import NodeConfig
from server.log import names
from server.log.dirs import LogDirs
from server.log.log import Log
from server.metadata import bootstrap
from server.metadata.image import Image
from server.metadata.loader import Loader
from server.metadata.records import Record
from server.model.errors import ErrorCode, Rejected
from server.model.ids import METADATA_TOPIC, UNASSIGNED_DIR, NodeId, RaftEpoch
from server.model.log_settings import LONG_MAX, LogSettings
from server.ports import Clock, Disk, Network, Rng
from server.raft.log import LogView
from server.raft.quorum import Quorum
from server.raft.rpc import OffsetAndEpoch
from server.raft.settings import Settings
from server.raft.state import ElectionState, parse_state
from server.raft.voters import Endpoint, Peer, ReplicaKey, Voter, VoterHistory, VoterSet
from server.records import batch, control

logger = logging.getLogger(__name__)

METADATA_FOLDER = names.folder(METADATA_TOPIC, 0)
MAX_BATCH_BYTES = 8 << 20
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Opened:
    quorum: MetadataQuorum
    bootstrap_records: tuple[Record, ...]
    min_insync_replicas: str

    def bootstrap(self, image: Image) -> tuple[Record, ...]:
        """What the controller writes first; nothing where the log holds metadata already."""
        return () if image.features else bootstrap.first_records(self.bootstrap_records, self.min_insync_replicas)


def open_quorum(
    config: NodeConfig,
    cluster_id: str,
    logs: LogDirs,
    disk: Disk,
    network: Network,
    clock: Clock,
    rng: Rng,
    node: Node,
    peers: Callable[[Network, str, int, int, Heard], RaftPeers] = RaftPeers,
) -> Opened:
    """peers: makes the way to other nodes.

    Raises Rejected, OSError: the log cannot be opened; Torn, ValueError: a file beside it cannot be read."""
    log = _opened_log(config, logs, disk)
    snapshots = Snapshots(disk, log.path)
    snapshots.clear_unfinished()
    ids = _agreeing(log, snapshots.ids(), clock)
    limits = SnapshotLimits(
        bytes_between=config.number("metadata.log.max.record.bytes.between.snapshots"),
        interval_ms=config.number("metadata.log.max.snapshot.interval.ms"),
        retention_bytes=config.number("metadata.max.retention.bytes"),
        retention_ms=config.number("metadata.max.retention.ms"),
    )
    loader, history = Loader(), VoterHistory(_configured(config))
    if ids:
        _load_snapshot(snapshots.read(ids[-1]), ids[-1], loader, history)
    _read_controls(log, history)
    if not history.latest.voters and not config.bootstrap_servers:
        raise Rejected(
            ErrorCode.INVALID_CONFIG,
            "No voter is known: set controller.quorum.voters, or format with `kcli storage format --standalone`.",
        )
    settings = _raft_settings(config)
    core = Quorum(
        ReplicaKey(config.node_id, logs.metadata_dir.directory_id or UNASSIGNED_DIR),
        _election_state(disk, log.path),
        LogView(
            start_offset=log.log_start_offset,
            end_offset=log.leo,
            epochs=[(RaftEpoch(epoch), start) for epoch, start in log.epochs.entries],
            snapshots=[OffsetAndEpoch(id_.end_offset, RaftEpoch(id_.epoch)) for id_ in ids if id_.end_offset > 0],
        ),
        history,
        jitter=rng.below,
        settings=settings,
        bootstrap=_bootstrap_peers(config),
        endpoints=_end_points(config),
    )

    def connect(heard: Heard) -> RaftPeers:
        return peers(network, cluster_id, config.node_id, settings.request_timeout_ms, heard)

    return Opened(
        MetadataQuorum(core, log, loader, Snapshotting(snapshots, limits), disk, clock, node, cluster_id, connect),
        _bootstrap(disk, logs.metadata_dir.path),
        str(config.number("min.insync.replicas")),
    )


def _opened_log(config: NodeConfig, logs: LogDirs, disk: Disk) -> Log:
    """Raises Rejected, OSError."""
    folder = f"{logs.metadata_dir.path}/{METADATA_FOLDER}"
    before = _log_bytes(disk, folder)
    log = logs.open_metadata_log(_settings(config))
    if _log_bytes(disk, folder) < before:
        _tell_of_cut(log, before - _log_bytes(disk, folder))
    return log


def _log_bytes(disk: Disk, folder: str) -> int:
    """How much of the metadata log is on disk; 0 where there is none yet."""
    if not disk.is_dir(folder):
        return 0
    return sum(disk.size(f"{folder}/{name}") for name in disk.list(folder) if name.endswith(names.LOG))


def _tell_of_cut(log: Log, lost: int) -> None:
    """The log ends earlier than its files did. After a crash that is what nobody was told of; else it is damage."""
    logger.warning(
        "the metadata log in %s cannot be read beyond offset %d: its last %d bytes are cut off. Other controllers have "
        "them, and this node gets them from there: keep those up until it has. If this is the only one, and more is "
        "missing than the last moment before a crash, stop it and restore a copy of the log.",
        log.path, log.leo, lost,
    )  # fmt: skip


def _agreeing(log: Log, ids: list[SnapshotId], clock: Clock) -> list[SnapshotId]:
    """Finish what a crash cut short: the log starts where a snapshot ends, and reaches as far as the latest one.

    Raises Rejected(KAFKA_STORAGE_ERROR): the start of the log is gone, and no snapshot stands for it.
    """
    if ids and ids[-1].end_offset > log.leo:  # a fetched snapshot was finished, and the log not cut yet
        log.truncate_fully_and_start_at(ids[-1].end_offset, clock.timestamp_ms())
    usable = [each for each in ids if each.end_offset >= log.log_start_offset]
    if log.log_start_offset > 0 and not usable:
        raise Rejected(
            ErrorCode.KAFKA_STORAGE_ERROR,
            f"{log.path} starts at offset {log.log_start_offset}, and no snapshot holds what came before.",
        )
    if log.log_start_offset > 0:  # older snapshots were removed, and the log's new start not noted yet
        log.advance_log_start(usable[0].end_offset)
    return usable


def _settings(config: NodeConfig) -> LogSettings:
    return LogSettings(
        segment_bytes=config.number("metadata.log.segment.bytes"),
        segment_ms=config.number("metadata.log.segment.ms"),
        max_message_bytes=MAX_BATCH_BYTES,
        retention_bytes=-1,  # snapshots decide what may go
        retention_ms=-1,
        flush_ms=LONG_MAX,
    )


def _raft_settings(config: NodeConfig) -> Settings:
    return Settings(
        election_timeout_ms=config.number("controller.quorum.election.timeout.ms"),
        election_backoff_max_ms=config.number("controller.quorum.election.backoff.max.ms"),
        fetch_timeout_ms=config.number("controller.quorum.fetch.timeout.ms"),
        request_timeout_ms=config.number("controller.quorum.request.timeout.ms"),
        retry_backoff_ms=config.number("controller.quorum.retry.backoff.ms"),
        listener=config.controller_listener_names[0],
        auto_join=config.flag("controller.quorum.auto.join.enable"),
    )


def _configured(config: NodeConfig) -> VoterSet:
    name = config.controller_listener_names[0]
    return VoterSet(
        Voter(ReplicaKey(voter.node_id), (Endpoint(name, voter.host, voter.port),)) for voter in config.voters
    )


def _end_points(config: NodeConfig) -> tuple[Endpoint, ...]:
    """Where other nodes reach this controller: as advertised, else where it listens."""
    reached = {each.name: each for each in (*config.listeners, *config.advertised_listeners)}
    return tuple(
        Endpoint(name, reached[name].host or "localhost", reached[name].port)
        for name in config.controller_listener_names
        if config.is_controller and name in reached
    )


def _bootstrap_peers(config: NodeConfig) -> tuple[Peer, ...]:
    """controller.quorum.bootstrap.servers: whose they are is found out by asking."""
    return tuple(Peer(NodeId(-2 - n), host, port) for n, (host, port) in enumerate(config.bootstrap_servers))


def _election_state(disk: Disk, folder: str) -> ElectionState:
    try:
        return parse_state(disk.read(f"{folder}/{QUORUM_STATE}"))
    except FileNotFoundError:
        return ElectionState()


def _load_snapshot(snapshot: Snapshot, id_: SnapshotId, loader: Loader, history: VoterHistory) -> None:
    versions = [said.kraft_version for said in snapshot.controls if isinstance(said, control.KRaftVersion)]
    voters = [VoterSet.of(said) for said in snapshot.controls if isinstance(said, control.Voters)]
    history.reset(id_.end_offset, versions[-1] if versions else 0, voters[-1] if voters else None)
    if id_.end_offset > 0:
        loader.snapshot(snapshot.records, id_.end_offset - 1, id_.epoch, snapshot.last_timestamp_ms)


def _read_controls(log: Log, history: VoterHistory) -> None:
    """Tell the history what the log's control records say."""
    offset = log.log_start_offset
    while offset < log.leo:
        found = log.read(offset, READ_BYTES, log.leo, minimum_one=True)
        for at, head in batch.headers(found.data):
            if head.is_control:
                for record in batch.records(found.data, at):
                    said = control.decode(record.key, record.value)
                    if said is not None and record.offset > history.latest_offset:
                        history.add(record.offset, said)
        offset = found.next_offset


def _bootstrap(disk: Disk, folder: str) -> tuple[Record, ...]:
    """The records of bootstrap.checkpoint; those of the newest version where there is none."""
    try:
        return read(disk, f"{folder}/{BOOTSTRAP}").records
    except FileNotFoundError:
        return bootstrap.checkpoint()
