"""Each anomaly of transactions in the smallest history, beside a sound one."""

from tests.support.txn_history import Attempt, Outcome, Read, TxnHistory, check


def attempt(name: str, *records: int, commit_ns: int | None = 10, outcome: Outcome = "committed") -> Attempt:
    return Attempt(name, "s", records, commit_ns, outcome)


def told(*attempts: Attempt, final: str = "", read: str = "", position: int = 2) -> set[str]:
    """The anomalies. Values are written index:attempt; each stands at the offset of its place, in `read` at 20 ns."""
    rows = [Read("c", offset, f"s:{value}") for offset, value in enumerate(final.split())]
    reads = [Read("c", offset, f"s:{value}", 20) for offset, value in enumerate(read.split())]
    history = TxnHistory({each.name: each for each in attempts}, reads, rows, {"s": position})
    return {anomaly.name for anomaly in check(history)}


def test_a_sound_history() -> None:
    lost = attempt("b", 0, 1, commit_ns=5, outcome="unknown")
    assert told(attempt("a", 0, 1), lost, final="0:a 1:a", read="0:a") == set()


def test_what_was_aborted_or_never_committed_is_not_read() -> None:
    for bad in (attempt("a", 0, 1, outcome="aborted"), attempt("a", 0, 1, commit_ns=None, outcome="unknown")):
        assert told(bad, final="0:a 1:a") == {"aborted-read"}


def test_nothing_is_read_before_it_is_to_be_committed() -> None:
    assert told(attempt("a", 0, 1, commit_ns=30), final="0:a 1:a", read="0:a") == {"precommitted-read"}


def test_all_or_nothing() -> None:
    assert told(attempt("a", 0, 1), final="0:a", position=1) == {"torn-transaction"}


def test_each_record_once() -> None:
    assert told(attempt("a", 0, 1), attempt("b", 0), final="0:a 1:a 0:b") == {"duplicate"}


def test_nothing_is_lost() -> None:
    assert told(attempt("a", 0, 1), position=0) == {"lost-write"}
    assert told(attempt("a", 0, 1), final="0:a 1:a", position=3) == {"lost-write"}


def test_offsets_go_with_the_values() -> None:
    assert told(attempt("a", 0, 1), final="0:a 1:a", position=1) == {"unread-offset"}


def test_what_was_read_stays() -> None:
    sound = attempt("b", 0, outcome="unknown")
    assert told(attempt("a", 0, 1), sound, final="0:a 1:a", read="0:b") == {"lost-read"}
