"""What a recovered log may look like, told by means that are as dumb as can be."""

from dataclasses import dataclass, field

from server.log.log import Log
from server.log.producers import ProducerStates
from server.log.txn_index import AbortedTxn
from server.model.log_settings import LogSettings
from server.records import batch
from server.records.batch import Header
from tests.sim.inodes import Temper

END = 1 << 40  # behind every offset


@dataclass
class Truth:
    """What a recovered log may look like: a run of `batches` that begins and ends within these bounds."""

    batches: list[bytearray] = field(default_factory=list)  # all of the log's life, the deleted ones too
    first: int = 0  # where an empty log begins
    exists: bool = False  # durably
    start: tuple[int, int] = (0, 0)  # the log start offset is within, both inclusive
    synced: int = 0  # what is below survives a power cut
    written: int = 0  # what is below survives a kill
    started_anew: bool = False  # in the midst of it, so that nothing at all is also right


class Judge:
    """Compares a recovered log with the truth, by means that are as dumb as can be."""

    def __init__(self, seed: int, truth: Truth, settings: LogSettings, log: Log, temper: Temper) -> None:
        self.truth, self.settings, self.log = truth, settings, log
        self.words = f"seed {seed}, {temper.name}"
        self.least = truth.written if temper is Temper.KEEP else truth.synced

    def judge(self) -> None:
        log, truth = self.log, self.truth
        if truth.started_anew and log.leo == log.log_start_offset:
            return
        assert truth.start[0] <= log.log_start_offset <= truth.start[1], self.words
        assert log.leo >= self.least, f"{self.words}: ends at {log.leo}, not at {self.least}"
        if log.leo == log.log_start_offset and log.size == 0:
            return  # the log start offset outlived the records before it
        kept = [data for data in truth.batches if batch.header(data).base_offset < log.leo]
        here = [data for data in kept if batch.header(data).last_offset >= log.log_start_offset]
        if kept:
            assert batch.header(kept[-1]).next_offset == log.leo, f"{self.words}: ends within a batch"
        self._batches(here)
        heads = [batch.header(data) for data in here]
        self._indexes(heads)
        self._times(here)
        self._epochs(heads)
        self._producers(kept, [data for data in kept if batch.header(data).base_offset >= log.segments[0].base])

    def _batches(self, expected: list[bytearray]) -> None:
        log, found, offset = self.log, bytearray(), self.log.log_start_offset
        while offset < log.leo:
            part = log.read(offset, 500, log.leo)
            assert part.next_offset > offset, f"{self.words}: nothing at {offset}"
            found += part.data
            offset = part.next_offset
        assert bytes(found) == b"".join(expected), f"{self.words}: other bytes"
        for at, _ in batch.headers(found):
            batch.verify(found, at)

    def _indexes(self, heads: list[Header]) -> None:
        places = {}
        for segment in self.log.segments:
            data = self.log.files.disk.read(segment.log_path)
            assert len(data) == segment.size, self.words
            mine = list(batch.headers(data))
            assert sum(head.size for _, head in mine) == segment.size, self.words
            places.update({head.last_offset: position for position, head in mine})
            for offset, position in zip(segment.offsets.offsets, segment.offsets.positions, strict=True):
                assert places.get(segment.base + offset) == position, f"{self.words}: index"
            largest, first = -1, segment.base
            for _, head in mine:
                if head.max_timestamp > largest:
                    largest, first = head.max_timestamp, head.last_offset
            assert segment.max_timestamp == (largest, first), f"{self.words}: largest timestamp"
        for head in heads:
            segment = self.log.segments[self.log.segments.floor(head.base_offset)]
            for offset in {head.base_offset, head.last_offset}:
                located = segment.locate(offset)
                assert located is not None, self.words
                assert located[0] == places[head.last_offset], self.words

    def _times(self, here: list[bytearray]) -> None:
        log = self.log
        records = [record for data in here for record in batch.records(data) if record.offset >= log.log_start_offset]
        for wanted in {record.timestamp for record in records[:3] + records[-3:]}:
            first = next(record for record in records if record.timestamp >= wanted)
            found = log.offset_by_timestamp(wanted)
            assert found is not None, self.words
            assert (found.timestamp, found.offset) == (first.timestamp, first.offset), f"{self.words}: by time"

    def _epochs(self, heads: list[Header]) -> None:
        for head in heads:
            assert self.log.epochs.epoch_of(head.base_offset) == head.partition_leader_epoch or (
                head.base_offset < self.log.log_start_offset
            ), f"{self.words}: epoch"
        for epoch, start in self.log.epochs.entries:
            assert start < self.log.leo or start == self.log.log_start_offset, f"{self.words}: epoch {epoch}"

    def _producers(self, kept: list[bytearray], here: list[bytearray]) -> None:
        """All is known that the batches tell which are still `here`, and maybe what deleted ones told."""
        whole, _ = _replayed(kept)
        rest, aborted = _replayed(here)
        for row in self.log.producers.rows():
            assert row in whole.rows() or row in rest.rows(), f"{self.words}: {row}"
        found = {row.producer_id for row in self.log.producers.rows()}
        assert found >= {row.producer_id for row in rest.rows()}, f"{self.words}: a producer is forgotten"
        if len(kept) == len(here):
            assert sorted(self.log.producers.rows()) == sorted(whole.rows()), f"{self.words}: producers"
            assert self.log.aborted(0, END) == aborted, f"{self.words}: aborted transactions"
            assert self.log.producers.lso(END) == _first_open(whole), f"{self.words}: LSO"


def _replayed(batches: list[bytearray]) -> tuple[ProducerStates, list[AbortedTxn]]:
    states, aborted = ProducerStates(), []
    for data in batches:
        ended = states.replay(batch.header(data), data, 0)
        if ended is not None:
            aborted.append(ended)
    return states, aborted


def _first_open(states: ProducerStates) -> int:
    return min((row.txn_first_offset for row in states.rows() if row.txn_first_offset >= 0), default=END)
