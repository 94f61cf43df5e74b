"""The files by which a log directory belongs to a cluster: the node's configuration, meta.properties, checkpoints.

Source: KIP-631, KIP-630 (checkpoints), KIP-853 (the checkpoint that names the first voters), KIP-858 (directory ids).
"""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kcli import properties
from kcli.errors import Failure, Setup
from kcli.model import Credential, FirstVoter, Level, Meta
from server import config as node_config
from server.broker import snapshots
from server.log import meta_properties
from server.log.disk import OsDisk
from server.log.meta_properties import MetaProperties, UnusableDirectory
from server.metadata.records import FeatureLevelRecord, Record, UserScramCredentialRecord
from server.model.features import METADATA_VERSION
from server.model.ids import METADATA_TOPIC, DirectoryId, uuid_of, uuid_text
from server.records import control

KRAFT_VERSIONS = control.SupportedVersions(0, 1)
UNSTABLE = "unstable.feature.versions.enable"  # internal to Kafka, so the server's table of settings has it not
FIRST_CHECKPOINT = os.path.join(f"{METADATA_TOPIC}-0", snapshots.SnapshotId(0, 0).file_name)


class Endpoint(NamedTuple):
    name: str
    host: str
    port: int


class Node(NamedTuple):
    """What formatting asks of a node's configuration. `directories` are sorted, the metadata's is one of them.

    controllers  its controller listeners as others reach them; empty if it is no controller
    static       whether controller.quorum.voters names the voters
    unstable     whether unfinished releases are allowed
    """

    id: int
    directories: tuple[str, ...]
    metadata_directory: str
    is_controller: bool
    static: bool
    controller_listener: str
    controllers: tuple[Endpoint, ...]
    unstable: bool


def node(path: str) -> Node:
    """Read a node's server.properties. Raises Setup, Failure: it cannot be read, or a value cannot hold."""
    return parsed(_text(path), path)


def parsed(text: str, path: str) -> Node:
    """Read a server.properties' text; `path` is for what is said about it. Raises Failure."""
    config = _config(text, path, {})
    # A controller's address for others is the advertised one, else where it listens.
    reachable = {each.name: each for each in (*config.listeners, *config.advertised_listeners)}
    controllers = [reachable[name] for name in config.controller_listener_names if name in reachable]
    return Node(
        int(config.node_id),
        tuple(sorted({*config.log_dirs, config.metadata_log_dir})),
        config.metadata_log_dir,
        config.is_controller,
        bool(config.voters),
        next(iter(config.controller_listener_names), ""),
        tuple(Endpoint(each.name, each.host or "localhost", each.port) for each in controllers),
        {row.key: row.value for row in properties.parse(text)}.get(UNSTABLE, "").strip().lower() == "true",
    )


def listening(path: str, overrides: Mapping[str, str]) -> Endpoint:
    """Where a server with this configuration listens first, seen from this machine; the name is its protocol.

    Raises Setup, Failure.
    """
    config = _config(_text(path), path, overrides)
    first = next(
        (each for each in config.listeners if each.name not in config.controller_listener_names), config.listeners[0]
    )
    host = first.host if first.host not in ("", "0.0.0.0", "::") else "localhost"
    return Endpoint(first.protocol, host, first.port)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise Setup(f"Cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Setup(f"Cannot read {path}: it is not UTF-8 text") from error


def _config(text: str, path: str, overrides: Mapping[str, str]) -> node_config.NodeConfig:
    try:
        return node_config.load(text, path, overrides)
    except node_config.ConfigError as error:
        raise Failure(str(error)) from error


def read_meta(directory: str) -> Meta | None:
    """Read a directory's meta.properties; None if it has none.

    raises  OSError: it cannot be read, e.g. because the directory is a file
            Failure: it says something that cannot be
    """
    path = os.path.join(directory, meta_properties.FILE)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    try:
        told = meta_properties.parse(text, path)
    except UnusableDirectory as error:
        raise Failure(str(error.__cause__ or error)) from error
    directory_id = None if told.directory_id is None else uuid_text(told.directory_id)
    return Meta(told.cluster_id, told.node_id, directory_id, told.version)


def write_directory(
    directory: str,
    meta: Meta,
    levels: Sequence[Level],
    credentials: Sequence[Credential],
    first: tuple[str, Sequence[FirstVoter]] | None,
    now_ms: int,
) -> None:
    """Make a directory one of a cluster; meta.properties comes last, since it says that the rest is there.

    first  the name of the controllers' listener and the first voters, for the metadata directory of a dynamic quorum
    Raises OSError.
    """
    disk, directory = OsDisk(), os.path.abspath(directory)
    disk.make_dirs(directory)
    records = (*_features(levels), *_credentials(credentials))
    level = next(each.level for each in levels if each.name == METADATA_VERSION)
    disk.replace(os.path.join(directory, snapshots.BOOTSTRAP), _checkpoint(records, (), level, 0, now_ms))
    if first:
        path = os.path.join(directory, FIRST_CHECKPOINT)
        disk.make_dirs(os.path.dirname(path))
        disk.replace(path, _checkpoint((), (control.KRaftVersion(1), _voters(*first)), level, now_ms, now_ms))
    assert meta.directory_id
    told = MetaProperties(meta.cluster_id, meta.node_id, DirectoryId(uuid_of(meta.directory_id)), meta.version)
    text = meta_properties.format(told, now_ms)
    disk.replace(os.path.join(directory, meta_properties.FILE), text.encode())


def _checkpoint(
    records: Sequence[Record], controls: Sequence[control.Control], level: int, last_timestamp_ms: int, now_ms: int
) -> bytes:
    return snapshots.file_bytes(records, controls, level, epoch=0, last_timestamp_ms=last_timestamp_ms, now_ms=now_ms)


def _features(levels: Sequence[Level]) -> Sequence[Record]:
    return [FeatureLevelRecord(each.name, each.level) for each in levels]


def _credentials(credentials: Sequence[Credential]) -> Sequence[Record]:
    return [UserScramCredentialRecord(*each) for each in credentials]


def _voters(listener: str, voters: Sequence[FirstVoter]) -> control.Voters:
    return control.Voters(
        tuple(
            control.Voter(
                each.id,
                uuid_of(each.directory_id),
                (control.VoterEndpoint(listener, each.host, each.port),),
                KRAFT_VERSIONS,
            )
            for each in voters
        )
    )
