"""Which transactions hang."""

import pytest

from kcli.errors import Failure
from kcli.model import Partition, Topic
from kcli.model.transactions import ActiveProducer, Hanging, Transaction, TransactionListing
from kcli.plan import transactions

MINUTE = 60_000
ONE, TWO = ("t", 0), ("t", 1)


def producer(number: int, last_ms: int = 0, start: int | None = 5) -> ActiveProducer:
    return ActiveProducer(number, 0, 0, 3, last_ms, start)


def test_only_what_is_open_for_longer_than_the_timeout_is_looked_at() -> None:
    now = 20 * MINUTE
    known = {TWO: [producer(1)], ONE: [producer(2, 5 * MINUTE), producer(3, 5 * MINUTE - 1), producer(4, start=None)]}
    assert transactions.long_open(known, now, 15) == ((ONE, producer(3, 5 * MINUTE - 1)), (TWO, producer(1)))


def test_a_transaction_hangs_if_no_coordinator_will_end_it() -> None:
    """1 is known with this partition, 2 with another one, 3 is listed and gone since, nobody knows 4."""
    candidates = [(ONE, producer(number)) for number in (1, 2, 3, 4)]
    listed = [TransactionListing(f"t{number}", 1, number, "Ongoing") for number in (1, 2, 3)]
    described = {
        f"t{number}": Transaction(f"t{number}", 1, number, 0, "Ongoing", 1, 0, (one,))
        for number, one in ((1, ONE), (2, TWO))
    }
    found = transactions.hanging(candidates, listed, described, 3 * MINUTE + 1)
    assert found == tuple(Hanging(*ONE, producer(number), 3) for number in (2, 3, 4))


def test_a_transaction_is_named_by_where_it_begins() -> None:
    assert transactions.open_at([producer(1, start=4), producer(2)], ONE, 5) == producer(2)
    with pytest.raises(Failure, match="starting at offset 6 on partition t-0"):
        transactions.open_at([producer(1)], ONE, 6)


def test_a_broker_has_partitions_by_its_replicas() -> None:
    rows = (Partition(0, 1, (1, 2), (1,)), Partition(1, 2, (2, 3), (2,)))
    assert transactions.hosted([Topic("t", "", rows)], 1) == (ONE,)
    assert transactions.hosted([Topic("t", "", rows)], None) == (ONE, TWO)
