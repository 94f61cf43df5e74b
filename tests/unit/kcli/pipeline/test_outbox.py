"""Batches of one partition: rules one by one, then seeded worlds in which everything goes wrong at once."""

import random
from collections import Counter

import pytest

from kcli.pipeline.decoding import whole
from kcli.pipeline.outbox import (
    DUPLICATE_SEQUENCE,
    INVALID_PRODUCER_EPOCH,
    MAX_EPOCH,
    MESSAGE_TOO_LARGE,
    NETWORK_EXCEPTION,
    NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    NOT_LEADER,
    OUT_OF_ORDER_SEQUENCE,
    REQUEST_TIMED_OUT,
    UNKNOWN_PRODUCER_ID,
    Outbox,
    Outcome,
    Parcel,
)
from kcli.pipeline.settings import ProducerSettings
from tests.support.partition_log import PartitionLog

INVALID_RECORD = 87
SETTINGS = ProducerSettings(linger_ms=0, retry_backoff_ms=10, retry_backoff_max_ms=40)
ID = 7
AGAIN, DELIVERED, FAILED = Outcome.AGAIN, Outcome.DELIVERED, Outcome.FAILED


def outbox(*batches: int, settings: ProducerSettings = SETTINGS, known: bool = True) -> Outbox:
    """One with batches of so many records each, of a producer that the broker knows."""
    made = Outbox("t", 0, settings)
    if settings.idempotence:
        made.renew(ID, 0)
        made._known = known
    for number, count in enumerate(batches):
        add(made, [b"%d.%d" % (number, index) for index in range(count)])
    return made


def add(box: Outbox, values: list[bytes], now_ms: float = 0) -> None:
    box.batch(now_ms, 1000).add_values(values, list(map(len, values)), 1000)
    box.close()


def taken(box: Outbox, now_ms: float = 0) -> list[Parcel]:
    """All that may be sent now."""
    found = []
    while parcel := box.take(now_ms):
        found.append(parcel)
    return found


def numbers(parcels: list[Parcel]) -> list[tuple[int, int]]:
    """Epoch and sequence number of each."""
    assert all(parcel.number and parcel.number[0] == ID for parcel in parcels)
    return [parcel.number[1:] for parcel in parcels if parcel.number]


def test_batches_go_out_in_order_up_to_the_window() -> None:
    box = outbox(2, 3, 1, 1, 1, 1)
    first, *rest = taken(box)
    assert numbers([first, *rest]) == [(0, 0), (0, 2), (0, 5), (0, 6), (0, 7)]
    assert box.answered(first, 0, 0) is DELIVERED
    assert numbers(taken(box)) == [(0, 8)]


def test_the_first_batch_of_a_producer_goes_alone() -> None:
    box = outbox(1, 1, 1, known=False)
    (first,) = taken(box)
    assert box.answered(first, NOT_LEADER, 0) is AGAIN
    assert taken(box, 1000) == [first]
    box.answered(first, 0, 1000)
    assert numbers(taken(box, 1000)) == [(0, 1), (0, 2)]


def test_an_open_batch_goes_out_when_it_has_lingered() -> None:
    box = outbox(settings=SETTINGS._replace(linger_ms=50))
    box.batch(100, 1000).add(None, b"a", (), 1000)
    assert box.take(149) is None
    assert 150 in list(box.moments())
    assert box.take(150)


def test_a_flush_does_not_wait_for_that() -> None:
    box = outbox(settings=SETTINGS._replace(linger_ms=50))
    box.batch(100, 1000).add(None, b"a", (), 1000)
    assert box.take(100, flush=True)


def test_a_lost_answer_is_asked_for_again_under_the_same_number() -> None:
    box = outbox(1, 1)
    first, second = taken(box)
    assert box.lost(first, 0) is AGAIN
    assert taken(box, 1000) == []  # the second is still under way
    assert box.answered(second, OUT_OF_ORDER_SEQUENCE, 0) is AGAIN
    assert taken(box, 1000) == [first]
    box.answered(first, 0, 1000)
    assert taken(box, 1000) == [second]
    assert numbers([first, second]) == [(0, 0), (0, 1)]


def test_a_duplicate_is_delivered() -> None:
    box = outbox(1)
    (first,) = taken(box)
    box.lost(first, 0)
    taken(box, 1000)
    assert box.answered(first, DUPLICATE_SEQUENCE, 0) is DELIVERED
    assert box.empty


def test_a_retry_waits_longer_each_time() -> None:
    box = outbox(1)
    now = 0.0
    for wait in (10, 20, 40, 40):
        (parcel,) = taken(box, now)
        box.answered(parcel, NOT_LEADER, now)
        assert taken(box, now + wait - 1) == []
        now += wait


def test_a_batch_is_given_up_after_its_retries() -> None:
    box = outbox(1, settings=SETTINGS._replace(retries=2))
    outcomes = []
    for now in (0, 1000, 2000):
        (parcel,) = taken(box, now)
        outcomes.append(box.answered(parcel, NOT_LEADER, now))
    assert outcomes == [AGAIN, AGAIN, FAILED]
    assert box.empty


def test_waiting_for_a_predecessor_is_no_try() -> None:
    box = outbox(1, 1, settings=SETTINGS._replace(retries=3))
    for now in (0, 1000, 2000, 3000):
        first, second = taken(box, now)
        assert box.answered(first, NOT_LEADER, now) is (AGAIN if now < 3000 else FAILED)
        assert box.answered(second, OUT_OF_ORDER_SEQUENCE, now) is AGAIN


def test_behind_a_refused_batch_numbers_begin_anew() -> None:
    box = outbox(3, 1, 1)
    first, second, third = taken(box)
    assert box.answered(first, INVALID_RECORD, 0) is FAILED
    assert box.answered(second, OUT_OF_ORDER_SEQUENCE, 0) is AGAIN
    assert taken(box) == []
    assert box.answered(third, OUT_OF_ORDER_SEQUENCE, 0) is AGAIN
    assert taken(box) == [second]
    box.answered(second, 0, 0)
    assert taken(box) == [third]
    assert numbers([second, third]) == [(1, 0), (1, 1)]


def test_what_is_in_doubt_keeps_its_number_even_behind_a_refused_batch() -> None:
    """A broker that knows nothing of a producer takes any number, so the second may well be in the log."""
    box = outbox(1, 1, 1)
    first, second, third = taken(box)
    box.answered(first, INVALID_RECORD, 0)
    box.lost(second, 0)
    box.lost(third, 0)
    assert taken(box, 1000) == [second]  # alone
    assert numbers([second]) == [(0, 1)]
    assert box.answered(second, 0, 1000) is DELIVERED
    assert taken(box, 2000) == [third]
    assert box.answered(third, OUT_OF_ORDER_SEQUENCE, 2000) is AGAIN  # now it is known not to be in the log
    assert taken(box, 3000) == [third]
    assert numbers([third]) == [(1, 0)]


def test_nothing_new_is_sent_behind_a_batch_in_doubt() -> None:
    """Brokers remember five batches: it has to be among them when it comes again."""
    box = outbox(1, 1, 1)
    box._settings = SETTINGS._replace(in_flight=2)
    first, second = taken(box)
    box.answered(first, REQUEST_TIMED_OUT, 0)
    assert box.answered(second, 0, 0) is DELIVERED
    assert taken(box, 1000) == [first]
    box.answered(first, 0, 1000)
    assert numbers(taken(box, 1000)) == [(0, 2)]


@pytest.mark.parametrize("error", [REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND, NETWORK_EXCEPTION])
def test_these_errors_leave_a_batch_in_doubt(error: int) -> None:
    box = outbox(1)
    (parcel,) = taken(box)
    box.answered(parcel, error, 0)
    assert parcel.in_doubt


@pytest.mark.parametrize("error", [OUT_OF_ORDER_SEQUENCE, UNKNOWN_PRODUCER_ID])
def test_a_broker_that_forgot_the_producer_gets_a_new_epoch(error: int) -> None:
    box = outbox(1, 1)
    first, second = taken(box)
    box.answered(first, 0, 0)
    assert box.answered(second, error, 0) is AGAIN
    assert numbers(taken(box)) == [(1, 0)]


def test_a_fenced_producer_asks_for_a_new_id() -> None:
    box = outbox(1)
    (parcel,) = taken(box)
    assert box.answered(parcel, INVALID_PRODUCER_EPOCH, 0) is AGAIN
    assert box.take(0) is None
    assert box.needs_id
    box.renew(8, 0)
    assert taken(box) == [parcel]
    assert parcel.number == (8, 0, 0)


def test_a_fenced_batch_in_doubt_is_given_up() -> None:
    """Under another id it might be there twice."""
    box = outbox(1)
    (parcel,) = taken(box)
    box.lost(parcel, 0)
    taken(box, 1000)
    assert box.answered(parcel, INVALID_PRODUCER_EPOCH, 1000) is FAILED


def test_epochs_run_out() -> None:
    box = outbox(1, 1)
    box.renew(ID, MAX_EPOCH)
    box._known = True
    first, second = taken(box)
    box.answered(first, INVALID_RECORD, 0)
    box.answered(second, OUT_OF_ORDER_SEQUENCE, 0)
    assert box.take(0) is None
    assert box.needs_id


def test_a_batch_that_is_too_large_is_halved_and_keeps_its_numbers() -> None:
    box = outbox(5, 1)
    first, second = taken(box)
    assert box.answered(first, MESSAGE_TOO_LARGE, 0) is AGAIN
    box.answered(second, OUT_OF_ORDER_SEQUENCE, 0)
    parts = taken(box)
    assert numbers(parts) == [(0, 0), (0, 2), (0, 5)]
    assert [[record.value for record in whole(part.batch)] for part in parts] == [
        [b"0.0", b"0.1"],
        [b"0.2", b"0.3", b"0.4"],
        [b"1.0"],
    ]


def test_a_single_record_that_is_too_large_is_given_up() -> None:
    box = outbox(1)
    (parcel,) = taken(box)
    assert box.answered(parcel, MESSAGE_TOO_LARGE, 0) is FAILED


def test_sequence_numbers_wrap() -> None:
    box = outbox(5, 1)
    box._sequence = 0x7FFFFFFE
    assert numbers(taken(box)) == [(0, 0x7FFFFFFE), (0, 3)]


def test_batches_expire_unless_they_are_under_way() -> None:
    box = outbox(1, 1, settings=SETTINGS._replace(delivery_ms=100, in_flight=1))
    (first,) = taken(box)
    assert box.expire(99) == []
    (expired,) = box.expire(100)
    assert expired is not first
    box.lost(first, 100)
    assert box.expire(100) == [first]
    assert box.empty


def test_without_idempotence_there_are_no_numbers() -> None:
    box = outbox(1, 1, settings=SETTINGS._replace(idempotence=False))
    assert [parcel.number for parcel in taken(box)] == [(-1, -1, -1)] * 2
    assert not box.needs_id


def test_what_is_held_is_counted() -> None:
    box = outbox(3, 2)
    first, second = taken(box)
    assert box.held == first.batch.size + second.batch.size
    box.answered(first, 0, 0)
    assert box.held == second.batch.size


class World:
    """A broker and a network at their worst, for one outbox."""

    def __init__(self, seed: int, *, forgetful: bool) -> None:
        self.rng = random.Random(seed)
        self.log = PartitionLog()
        settings = SETTINGS._replace(delivery_ms=10**9, batch_size=200, in_flight=self.rng.randint(1, 5))
        self.box = outbox(settings=settings, known=False)
        self.forgetful = forgetful
        self.trouble = self.rng.choice([0.0, 0.1, 0.5])
        self.now = 0.0
        self.next_value = 0
        self.under_way: list[tuple[Parcel, bytes]] = []  # requests on the wire, in order
        self.connection: list[tuple[Parcel, int]] = []  # answers on the way back, in order
        self.acknowledged: list[bytes] = []
        self.failed: list[bytes] = []
        self.ids = ID

    def run(self) -> None:
        for _ in range(300):
            self.step()
        self.trouble = 0.0
        for _ in range(2000):
            if self.box.empty:
                return
            self.step(adding=False)
        raise AssertionError("batches are left when nothing goes wrong any more")

    def step(self, *, adding: bool = True) -> None:
        self.now += self.rng.choice([0, 1, 20, 100])
        what = self.rng.random()
        if adding and what < 0.3:
            values = [b"%d" % (self.next_value + index) for index in range(self.rng.randint(1, 4))]
            self.next_value += len(values)
            add(self.box, values, self.now)
        elif what < 0.6:
            self.send()
        elif what < 0.8:
            self.arrive()
        else:
            self.answer()

    def send(self) -> None:
        if self.box.needs_id:
            self.ids += 1
            self.box.renew(self.ids, 0)
        if parcel := self.box.take(self.now):
            assert parcel.number
            self.under_way.append((parcel, b"".join(parcel.batch.pieces(parcel.number))))

    def arrive(self) -> None:
        """The next request reaches the broker; or it does not; or the connection breaks."""
        if self.rng.random() < self.trouble / 4:
            return self.hang_up()
        if not self.under_way:
            return None
        parcel, data = self.under_way.pop(0)
        if self.forgetful and self.rng.random() < self.trouble / 8:
            self.log.producers.clear()  # all its batches expired, or were deleted
        error = 0
        if self.rng.random() < self.trouble:
            error = self.rng.choice([NOT_LEADER, NOT_LEADER, MESSAGE_TOO_LARGE, INVALID_RECORD])
        if not error:
            error, _ = self.log.append(data)
            if not error and self.rng.random() < self.trouble:
                error = self.rng.choice([NOT_ENOUGH_REPLICAS_AFTER_APPEND, REQUEST_TIMED_OUT])
        self.connection.append((parcel, error))
        return None

    def hang_up(self) -> None:
        """Some of the requests on the wire still reach the broker, all answers are lost."""
        for _, data in self.under_way[: self.rng.randint(0, len(self.under_way))]:
            self.log.append(data)
        lost = [parcel for parcel, _ in self.connection] + [parcel for parcel, _ in self.under_way]
        self.connection, self.under_way = [], []
        for parcel in lost:
            self.settle(parcel, self.box.lost(parcel, self.now))

    def answer(self) -> None:
        if self.connection:
            parcel, error = self.connection.pop(0)
            self.settle(parcel, self.box.answered(parcel, error, self.now))

    def settle(self, parcel: Parcel, outcome: Outcome) -> None:
        values = [record.value or b"" for record in whole(parcel.batch)]
        if outcome is DELIVERED:
            self.acknowledged += values
        elif outcome is FAILED:
            self.failed += values


@pytest.mark.parametrize("seed", [*range(300), 3058])  # 3058: halves of a batch behind one in doubt
def test_nothing_is_lost_doubled_or_reordered(seed: int) -> None:
    """Whatever the network does: what is acknowledged is in the log, once; what failed, at most once; in order."""
    world = World(seed, forgetful=False)
    world.run()
    stored = [value or b"" for value in world.log.values()]
    assert not [value for value, count in Counter(stored).items() if count > 1]
    assert set(world.acknowledged) <= set(stored)
    assert stored == sorted(stored, key=int)
    assert sorted([*world.acknowledged, *world.failed], key=int) == [b"%d" % i for i in range(world.next_value)]


@pytest.mark.parametrize("seed", range(300))
def test_a_broker_that_forgets_producers_loses_nothing(seed: int) -> None:
    """Then a batch whose fate is in doubt may be there twice: the broker cannot know it again. As with Kafka."""
    world = World(seed, forgetful=True)
    world.run()
    assert set(world.acknowledged) <= {value or b"" for value in world.log.values()}
    assert sorted([*world.acknowledged, *world.failed], key=int) == [b"%d" % i for i in range(world.next_value)]
