"""The files of a mixed cluster's nodes, read and compared: replicas byte by byte, metadata record by record."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.metadata.record_format import decode_with_version
from server.records import batch, control
from tests.conformance.mixed import Member
from tests.support import kafka

_DUMPED = re.compile(r'^\| offset: (\d+) .*payload: \{"type":"(\w+)","version":(\d+)', re.MULTILINE)
_WORD = re.compile(r"(?<!^)(?=[A-Z])")
MetadataRecord = tuple[int, str, int]  # offset, type, version


@dataclass(frozen=True)
class FoundLog:
    """A log's batches by base offset, from all its segments. `end` is exclusive."""

    batches: dict[int, bytes]
    start: int
    end: int

    def part(self, low: int, high: int) -> dict[int, bytes]:
        return {base: data for base, data in self.batches.items() if low <= base < high}

    def metadata_records(self) -> list[MetadataRecord]:
        """What the metadata records are, as our reader tells it."""
        told = []
        for data in self.batches.values():
            if batch.header(data).is_control:
                continue
            for record in batch.records(data, 0):
                value, version = decode_with_version(record.value or b"")
                told.append((record.offset, _WORD.sub("_", type(value).__name__).upper(), version))
        return told

    def voter_sets(self) -> list[set[int]]:
        """The sets of voters that the log tells of, in their order."""
        told = []
        for data in self.batches.values():
            if batch.header(data).is_control:
                said = [control.decode(record.key, record.value) for record in batch.records(data, 0)]
                told += [{voter.voter_id for voter in each.voters} for each in said if isinstance(each, control.Voters)]
        return told


def read_log(folder: Path) -> FoundLog:
    """Every whole batch of the segments in `folder`; a tail that is being written is left out."""
    batches: dict[int, bytes] = {}
    segments = sorted(folder.glob("*.log"))
    start = end = int(segments[0].stem) if segments else 0
    for path in segments:
        data = path.read_bytes()
        for at, head in batch.headers(data):
            batches[head.base_offset] = data[at : at + head.size]
            end = head.next_offset
    return FoundLog(batches, start, end)


def metadata_log(node: Member) -> FoundLog:
    return read_log(node.metadata)


def replicas(nodes: Sequence[Member], topics: Sequence[str]) -> dict[str, list[FoundLog]]:
    """Every partition's copies, one for each node."""
    names = sorted(path.name for name in topics for path in nodes[0].data.glob(f"{name}-*") if path.is_dir())
    return {name: [read_log(node.data / name) for node in nodes] for name in names}


def differing_replicas(nodes: Sequence[Member], topics: Sequence[str]) -> list[str]:
    """Partitions whose copies end elsewhere, or hold other bytes where more than one has them."""
    found = []
    for name, copies in replicas(nodes, topics).items():
        low = max(copy.start for copy in copies)
        ends = {copy.end for copy in copies}
        parts = [copy.part(low, max(ends)) for copy in copies]
        if len(ends) > 1 or any(part != parts[0] for part in parts):
            found.append(name)
    return found


def dumped_records(node: Member) -> list[MetadataRecord]:
    """What the metadata records are, as Kafka's dump tool tells it."""
    told = []
    for path in sorted(node.metadata.glob("*.log")):
        done = kafka.tool("dump-log", "--cluster-metadata-decoder", "--files", str(path))
        assert done.returncode == 0, done.stderr.decode()[-600:]
        told += [(int(offset), kind, int(version)) for offset, kind, version in _DUMPED.findall(done.stdout.decode())]
    return told
