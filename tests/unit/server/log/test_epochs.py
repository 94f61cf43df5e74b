from hypothesis import given
from hypothesis import strategies as st

from server.log.epochs import UNDEFINED, EpochCache


def cache(*entries: tuple[int, int], leo: int = 100) -> EpochCache:
    return EpochCache(lambda: leo, entries)


def test_an_epoch_ends_where_the_next_one_begins_and_the_latest_at_the_leo() -> None:
    epochs = cache((2, 10), (5, 40), (6, 60))
    assert epochs.end_offset_for(2) == (2, 40)
    assert epochs.end_offset_for(5) == (5, 60)
    assert epochs.end_offset_for(6) == (6, 100)


def test_an_unknown_epoch_is_answered_with_the_largest_below_it() -> None:
    """KIP-279: the follower then asks again with that epoch."""
    assert cache((2, 10), (5, 40)).end_offset_for(4) == (2, 40)


def test_before_the_first_epoch_is_its_start_and_beyond_the_last_nothing() -> None:
    epochs = cache((2, 10), (5, 40))
    assert epochs.end_offset_for(1) == (1, 10)
    assert epochs.end_offset_for(6) == UNDEFINED
    assert epochs.end_offset_for(-1) == UNDEFINED
    assert cache().end_offset_for(0) == UNDEFINED


def test_a_known_epoch_keeps_its_start() -> None:
    epochs = cache((2, 10))
    epochs.dirty = False
    epochs.assign(2, 15)
    assert (epochs.entries, epochs.dirty) == ([(2, 10)], False)


def test_an_epoch_that_contradicts_later_ones_takes_their_place() -> None:
    epochs = cache((2, 10), (5, 40), (6, 60))
    epochs.assign(7, 40)
    assert epochs.entries == [(2, 10), (7, 40)]


def test_cutting_the_end_forgets_epochs_that_begin_there() -> None:
    epochs = cache((2, 10), (5, 40), (6, 60))
    epochs.truncate_end(40)
    assert (epochs.entries, epochs.latest) == ([(2, 10)], 2)


def test_cutting_the_start_moves_the_oldest_epoch_that_is_left() -> None:
    epochs = cache((2, 10), (5, 40), (6, 60))
    epochs.truncate_start(50)
    assert epochs.entries == [(5, 50), (6, 60)]
    epochs.truncate_start(60)
    assert epochs.entries == [(6, 60)]
    epochs.dirty = False
    epochs.truncate_start(20)
    assert (epochs.entries, epochs.dirty) == ([(6, 60)], False)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=8), st.integers(0, 31), st.integers(0, 9))
def test_epochs_grow_and_agree_with_a_look_at_every_offset(
    given_entries: list[tuple[int, int]], offset: int, epoch: int
) -> None:
    epochs = cache(*given_entries, leo=31)
    entries = epochs.entries
    assert entries == sorted(set(entries))
    assert len({start for _, start in entries}) == len({e for e, _ in entries}) == len(entries)
    by_offset = [max((e for e, start in entries if start <= at), default=None) for at in range(31)]
    assert epochs.epoch_of(offset) == (by_offset[offset] if offset < 31 else epochs.latest)
    if epoch in dict(entries):
        end = max(at for at in range(31) if by_offset[at] == epoch) + 1
        assert epochs.end_offset_for(epoch) == (epoch, end)
