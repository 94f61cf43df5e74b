"""What a leader has asked the coordinators of transactions: may this producer's transaction begin in this partition?

A question is remembered until the transaction's first batch is here, or a marker: a batch may be written on an answer
only while its own question is still the one that is remembered. So what comes after the end of its transaction opens
no other one.
Source: KIP-890.
"""

from collections.abc import Sequence
from typing import Protocol

from server.model.errors import ErrorCode, Rejected
from server.records.batch import TRANSACTIONAL, Header

MAX_QUESTIONS = 10_000  # of one partition; the oldest is forgotten, and its producer asks again


class Numbered(Protocol):
    @property
    def base_sequence(self) -> int: ...


class Asked:
    """One question.

    lowest_sequence  of the batches that wait for its answer; none may overtake another
    starts_at_zero   with transactions v2 each transaction has an epoch of its own, and numbers from 0
    """

    __slots__ = ("epoch", "lowest_sequence", "starts_at_zero")

    def __init__(self, epoch: int, sequence: int, starts_at_zero: bool) -> None:
        self.epoch, self.lowest_sequence, self.starts_at_zero = epoch, sequence, starts_at_zero

    def repeated(self, epoch: int, sequence: int) -> None:
        if epoch > self.epoch or (epoch == self.epoch and sequence < self.lowest_sequence):
            self.epoch, self.lowest_sequence = epoch, sequence


class Verifications:
    def __init__(self) -> None:
        self._questions: dict[int, Asked] = {}  # by producer id, oldest first

    def __len__(self) -> int:
        return len(self._questions)

    def ask(self, producer_id: int, epoch: int, sequence: int, *, starts_at_zero: bool = False) -> Asked:
        """Remember that a producer is asked about, which has no open transaction here."""
        asked = self._questions.get(producer_id)
        if asked is not None:
            asked.repeated(epoch, sequence)
            return asked
        if len(self._questions) >= MAX_QUESTIONS:
            del self._questions[next(iter(self._questions))]
        asked = self._questions[producer_id] = Asked(epoch, sequence, starts_at_zero)
        return asked

    def asked(self, producer_id: int) -> Asked | None:
        return self._questions.get(producer_id)

    def end(self, producer_id: int) -> None:
        """Its transaction is open here, or has ended."""
        self._questions.pop(producer_id, None)

    def clear(self) -> None:
        self._questions.clear()

    def check(self, head: Header, batches: Sequence[Numbered]) -> None:
        """Let no batch of a producer, whose latest ones are given, overtake one that waits.

        Raises Rejected(OUT_OF_ORDER_SEQUENCE_NUMBER).
        """
        asked, sequence = self._questions.get(head.producer_id), head.base_sequence
        if asked is None or not head.attributes & TRANSACTIONAL:
            return
        if any(each.base_sequence == sequence for each in batches):
            return  # it is a repeated one
        if asked.starts_at_zero and sequence != 0 and not batches:
            raise out_of_order(head, "0 (the first one of a transaction)")
        if sequence > asked.lowest_sequence:
            raise out_of_order(head, f"{asked.lowest_sequence} (earliest seen sequence)")


def out_of_order(head: Header, instead_of: str) -> Rejected:
    return Rejected(
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        f"Out of order sequence number for producer {head.producer_id}: {head.base_sequence} (incoming seq. number),"
        f" {instead_of}.",
    )
