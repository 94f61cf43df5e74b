"""Who votes: replica keys, endpoints, voter sets, and the history of voter sets in the log.

With kraft.version 0 the voters come from the configuration and are known by their ids alone. With kraft.version 1 they
stand in the log, as VotersRecords; each set holds from its append on, committed or not, and goes when its record is
truncated. Two sets that follow each other differ by one voter, so that any majority of one meets any of the other.
Source: KIP-853.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from server.model.ids import UNASSIGNED_DIR, DirectoryId, NodeId
from server.records import control


class ReplicaKey(NamedTuple):
    """A replica: a node, and the disk its log is on. UNASSIGNED_DIR where the directory is not known."""

    id: NodeId
    directory_id: DirectoryId = UNASSIGNED_DIR


def may_be(one: ReplicaKey, other: ReplicaKey) -> bool:
    """True where the ids agree and the directories do not contradict: one that is not known contradicts nothing."""
    return one.id == other.id and (
        one.directory_id == other.directory_id or UNASSIGNED_DIR in (one.directory_id, other.directory_id)
    )


class Endpoint(NamedTuple):
    """Where a replica listens, by listener name."""

    name: str
    host: str
    port: int


class Peer(NamedTuple):
    """Where to send: the id is below -1 for a bootstrap server whose id is not known yet."""

    id: NodeId
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Voter:
    key: ReplicaKey
    endpoints: tuple[Endpoint, ...] = ()
    min_kraft_version: int = 0
    max_kraft_version: int = 1

    def peer(self, listener: str) -> Peer | None:
        """The address under this listener; with one endpoint only, that one; None without any."""
        for endpoint in self.endpoints:
            if endpoint.name == listener or len(self.endpoints) == 1:
                return Peer(self.key.id, endpoint.host, endpoint.port)
        return None


class VoterSet:
    """An immutable set of voters, at most one for each node id."""

    __slots__ = ("_by_id",)

    def __init__(self, voters: Iterable[Voter]) -> None:
        self._by_id = {voter.key.id: voter for voter in sorted(voters, key=lambda v: v.key.id)}

    @property
    def voters(self) -> tuple[Voter, ...]:
        return tuple(self._by_id.values())

    @property
    def ids(self) -> frozenset[NodeId]:
        return frozenset(self._by_id)

    @property
    def majority(self) -> int:
        return len(self._by_id) // 2 + 1

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, key: ReplicaKey) -> bool:
        voter = self._by_id.get(key.id)
        return voter is not None and may_be(voter.key, key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VoterSet) and self._by_id == other._by_id

    def __hash__(self) -> int:
        return hash(self.voters)

    def __repr__(self) -> str:
        return f"VoterSet({list(self.voters)})"

    def get(self, node: NodeId) -> Voter | None:
        return self._by_id.get(node)

    def with_voter(self, voter: Voter) -> "VoterSet":
        """Add a voter, or replace the one that has its id."""
        return VoterSet((*(v for v in self.voters if v.key.id != voter.key.id), voter))

    def without(self, node: NodeId) -> "VoterSet":
        return VoterSet(v for v in self.voters if v.key.id != node)

    def record(self) -> control.Voters:
        return control.Voters(
            tuple(
                control.Voter(
                    voter.key.id,
                    voter.key.directory_id,
                    tuple(control.VoterEndpoint(*endpoint) for endpoint in voter.endpoints),
                    control.SupportedVersions(voter.min_kraft_version, voter.max_kraft_version),
                )
                for voter in self.voters
            )
        )

    @staticmethod
    def of(record: control.Voters) -> "VoterSet":
        return VoterSet(
            Voter(
                ReplicaKey(NodeId(voter.voter_id), DirectoryId(voter.voter_directory_id)),
                tuple(Endpoint(e.name, e.host, e.port) for e in voter.endpoints),
                voter.kraft_version_feature.min_supported_version,
                voter.kraft_version_feature.max_supported_version,
            )
            for voter in record.voters
        )


class VoterHistory:
    """The voter sets and kraft.versions of the log, by the offset of their record; what is configured before any.

    kraft_version   1 where the voters come from a bootstrap snapshot, which the first leader brings into the log
    """

    def __init__(self, static: VoterSet, kraft_version: int = 0) -> None:
        self._static, self._static_version = static, kraft_version
        self._sets: list[tuple[int, VoterSet]] = []
        self._versions: list[tuple[int, int]] = []

    @property
    def latest(self) -> VoterSet:
        """The set that holds now, committed or not."""
        return self._sets[-1][1] if self._sets else self._static

    @property
    def latest_offset(self) -> int:
        """The offset of the record that made the set; -1 for the configured one."""
        return self._sets[-1][0] if self._sets else -1

    @property
    def kraft_version(self) -> int:
        return self._versions[-1][1] if self._versions else self._static_version

    def add(self, offset: int, record: control.Control) -> None:
        """Take a control record of the log into account; those that do not matter here are passed over."""
        match record:
            case control.Voters():
                assert offset > self.latest_offset
                self._sets.append((offset, VoterSet.of(record)))
            case control.KRaftVersion(kraft_version):
                self._versions.append((offset, kraft_version))

    def may_hold(self, key: ReplicaKey, high_watermark: int) -> bool:
        """True if `key` votes in the latest set, or in one that may turn out to be the last that was committed."""
        if key in self.latest:
            return True
        sets = [self._static, *(voters for _, voters in self._sets)]
        # A set is out of the question once the record of the next one is known to be committed.
        return any(
            key in voters and next_offset >= high_watermark
            for voters, (next_offset, _) in zip(sets, self._sets, strict=False)
        )

    def replace_static(self, voters: VoterSet) -> None:
        """Take other addresses for the configured voters: kraft.version 0 keeps them in memory only."""
        self._static = voters

    def truncate_to(self, end_offset: int) -> None:
        """Forget the records from `end_offset` on."""
        self._sets = [(offset, voters) for offset, voters in self._sets if offset < end_offset]
        self._versions = [(offset, version) for offset, version in self._versions if offset < end_offset]

    def at(self, end_offset: int) -> tuple[int, VoterSet | None]:
        """The kraft.version and voter set of the log below `end_offset`, for a snapshot's own control records."""
        versions = [version for offset, version in self._versions if offset < end_offset]
        sets = [voters for offset, voters in self._sets if offset < end_offset]
        return (versions[-1] if versions else self._static_version), (sets[-1] if sets else None)

    def reset(self, end_offset: int, kraft_version: int, voters: VoterSet | None) -> None:
        """Forget everything for what a snapshot that ends at `end_offset` says."""
        self._versions = [(end_offset - 1, kraft_version)]
        self._sets = [] if voters is None else [(end_offset - 1, voters)]
