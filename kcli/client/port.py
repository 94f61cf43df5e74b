"""The Admin port: what commands ask of a cluster, in values of kcli.model. Tests give a world in memory instead.

Calls about several things answer for each of them: a value, or the Refused that the broker gave for it (not raised).
Everything else that goes wrong is raised: Unreachable, Refused (of the whole call), Failure.
"""

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from kcli.errors import Refused
from kcli.model import (
    Cluster,
    Created,
    Listing,
    NewTopic,
    Quorum,
    Reassignment,
    Resource,
    Setting,
    SettingChange,
    Topic,
)
from kcli.model.groups import Committed, Group, GroupListing
from kcli.model.moves import Directory, TopicPartition
from kcli.model.offsets import Position
from kcli.model.transactions import ActiveProducer, Transaction, TransactionListing

PAGE = 2000  # partitions asked for in one answer; brokers cap it at max.request.partition.size.limit


class Admin(Protocol):
    """One cluster. Nothing is sent before the first call."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def list_topics(self) -> tuple[Listing, ...]:
        """All topics that this user may see, by name."""

    def describe_topics(self, names: Sequence[str] | None = None, *, page: int = PAGE) -> tuple[Topic, ...]:
        """The topics of these names that exist, by name; None: all."""

    def describe_topics_by_id(self, ids: Sequence[str]) -> tuple[Topic, ...]:
        """The topics of these ids that exist, by name."""

    def create_topics(
        self, topics: Sequence[NewTopic], *, validate_only: bool = False
    ) -> tuple[Created | Refused, ...]:
        """Make topics; one answer each, in the same order."""

    def delete_topics(self, names: Sequence[str]) -> Mapping[str, Refused | None]:
        """Delete topics by name."""

    def create_partitions(
        self,
        counts: Mapping[str, int],
        assignments: Mapping[str, Sequence[Sequence[int]]] | None = None,
        *,
        validate_only: bool = False,
    ) -> Mapping[str, Refused | None]:
        """Grow topics to `counts` partitions; `assignments` hold the brokers of the added ones."""

    def describe_configs(
        self,
        resources: Sequence[Resource],
        names: Sequence[str] | None = None,
        *,
        defaults: Collection[str] | None = None,
        synonyms: bool = False,
    ) -> Mapping[Resource, tuple[Setting, ...] | Refused]:
        """The settings of each resource, in the broker's order.

        names     only these
        defaults  of those that nobody set only these: a thousand topics have 35,000 settings, and a few that count
        """

    def incremental_alter_configs(
        self, changes: Mapping[Resource, Sequence[SettingChange]], *, validate_only: bool = False
    ) -> Mapping[Resource, Refused | None]:
        """Change settings."""

    def describe_cluster(self, *, controllers: bool = False, fenced: bool = False) -> Cluster:
        """The brokers that are alive, by id; `fenced`: and those that are not.

        controllers  the controllers instead, when it is they who are asked
        """

    def unregister_broker(self, broker: int) -> None:
        """Let the cluster forget a broker. Raises Refused: it knows none of this id."""

    def list_partition_reassignments(self) -> tuple[Reassignment, ...]:
        """The moves under way, by topic and partition."""

    def elect_leaders(
        self, kind: str, partitions: Collection[tuple[str, int]] | None
    ) -> Mapping[tuple[str, int], Refused | None]:
        """Elect leaders. kind: PREFERRED or UNCLEAN. partitions: (topic, index) each; None: all.

        Of all partitions, those that need no election are not in the answer.
        """

    def alter_partition_reassignments(
        self, targets: Mapping[tuple[str, int], Sequence[int] | None], *, allow_factor_change: bool = True
    ) -> Mapping[tuple[str, int], Refused | None]:
        """Move partitions, each to its list of replicas; None: cancel the move under way."""

    def describe_log_dirs(self, broker: int) -> tuple[Directory, ...]:
        """The log directories of one broker, and what is in them; asked of that broker. Raises Unreachable."""

    def alter_replica_log_dirs(
        self, broker: int, moves: Mapping[tuple[str, int], str]
    ) -> Mapping[tuple[str, int], Refused | None]:
        """Move replicas of one broker to the directories with these paths, or say where new ones shall be."""

    def describe_quorum(self) -> Quorum:
        """The controllers' quorum."""

    def add_raft_voter(self, node: int, directory_id: str, endpoints: Sequence[tuple[str, str, int]]) -> None:
        """Make a controller a voter; returns when that is committed. endpoints: (listener name, host, port) each."""

    def remove_raft_voter(self, node: int, directory_id: str) -> None:
        """Make a voter an observer; returns when that is committed."""

    def list_offsets(
        self, times: Mapping[TopicPartition, int], *, committed_only: bool = False
    ) -> Mapping[TopicPartition, Position | Refused]:
        """Where each partition's log is at a time (wall clock in ms), or at one of the places of kcli.model.offsets.

        committed_only  what is behind the last stable offset does not count
        An offset of -1 is the answer where there is no such place.
        """

    def delete_records(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | Refused]:
        """Delete the records before these offsets (-1: all up to the high watermark); tells the new low watermarks."""

    def read_records(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, bytes | Refused]:
        """A few record batches of each partition, from the one with an offset on; the last one may be cut off."""

    def list_groups(self) -> tuple[GroupListing, ...]:
        """All groups of all coordinators, by id."""

    def describe_groups(self, groups: Collection[str]) -> Mapping[str, Group | Refused]:
        """Groups of consumers with their members. Refused(GROUP_ID_NOT_FOUND): there is none of this id."""

    def list_group_offsets(self, groups: Collection[str]) -> Mapping[str, Mapping[TopicPartition, Committed] | Refused]:
        """What groups have committed; nothing of a group that there is not."""

    def alter_group_offsets(
        self, group: str, offsets: Mapping[TopicPartition, Committed]
    ) -> Mapping[TopicPartition, Refused | None]:
        """Commit for a group without members; makes the group if need be. Raises Refused: the whole is refused."""

    def delete_group_offsets(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Refused | None]:
        """Forget what a group has committed. Raises Refused: the whole is refused."""

    def delete_groups(self, groups: Collection[str]) -> Mapping[str, Refused | None]:
        """Delete groups without members, and what they have committed."""

    def list_transactions(
        self, *, longer_than_ms: int = -1, pattern: str | None = None, producers: Collection[int] = ()
    ) -> tuple[TransactionListing, ...]:
        """The transactional ids of all coordinators, by id.

        longer_than_ms  only those with a transaction that is open for longer; negative: all
        pattern         only ids that match this expression (RE2)
        producers       only those with one of these producer ids; empty: all
        """

    def describe_transactions(self, ids: Collection[str]) -> Mapping[str, Transaction | Refused]:
        """Transactional ids in full."""

    def describe_producers(
        self, partitions: Collection[TopicPartition], broker: int | None = None
    ) -> Mapping[TopicPartition, tuple[ActiveProducer, ...] | Refused]:
        """The producers that partitions remember, by id; as their leaders tell, or as a replica does."""

    def abort_transaction(
        self, partition: TopicPartition, producer_id: int, producer_epoch: int, coordinator_epoch: int
    ) -> None:
        """Write the marker that aborts a producer's transaction in one partition. Raises Refused."""

    def fence_producers(self, transactional_id: str) -> None:
        """Abort the transaction of a transactional id, and fence off who has it. Raises Refused."""
