"""Which replicas on disk are the same, and which are not."""

from pathlib import Path

from server.log.checkpoints import format_epochs
from tests.chaos import replicas


def batch(base: int, count: int, epoch: int = 0, body: bytes = b"") -> bytes:
    length = replicas.HEAD.size - replicas.BEFORE_LENGTH + len(body)
    return replicas.HEAD.pack(base, length, epoch, 2, 0, 0, count - 1) + body


def folder(path: Path, *segments: bytes, epochs: tuple[tuple[int, int], ...] = ((0, 0),), base: int = 0) -> Path:
    path.mkdir()
    for number, data in enumerate(segments):
        (path / f"{base + number * 10:020d}.log").write_bytes(data)
    (path / "leader-epoch-checkpoint").write_bytes(format_epochs(epochs))
    return path


def test_replicas_that_rolled_elsewhere_are_the_same(tmp_path: Path) -> None:
    one = folder(tmp_path / "a", batch(0, 10) + batch(10, 5))
    two = folder(tmp_path / "b", batch(0, 10), batch(10, 5))
    assert replicas.differences([one, two]) == []


def test_only_what_both_still_have_is_compared(tmp_path: Path) -> None:
    one = folder(tmp_path / "a", batch(0, 10), batch(10, 5))
    two = folder(tmp_path / "b", batch(10, 5), base=10, epochs=((0, 10),))
    assert replicas.differences([one, two]) == []


def test_a_missing_end_is_told(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "a", batch(0, 10)), folder(tmp_path / "b", batch(0, 10), batch(10, 5))
    assert replicas.differences([one, two]) == ["a ends at [10, 15]"]


def test_other_bytes_are_told(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "a", batch(0, 10, body=b"x")), folder(tmp_path / "b", batch(0, 10, body=b"y"))
    assert replicas.differences([one, two]) == ["a: the batches at offset 0 differ"]


def test_other_epochs_below_the_end_are_told(tmp_path: Path) -> None:
    one = folder(tmp_path / "a", batch(0, 10), epochs=((0, 0), (2, 5), (3, 10)))
    two = folder(tmp_path / "b", batch(0, 10), epochs=((0, 0),))
    assert replicas.differences([one, two]) == ["a: the leader epochs differ: [(), ((2, 5),)]"]


def test_logs_of_a_quorum_may_end_apart_and_may_not_fork(tmp_path: Path) -> None:
    one = folder(tmp_path / "a", batch(0, 10) + batch(10, 5, 1))
    two, three = folder(tmp_path / "b", batch(0, 10)), folder(tmp_path / "c", batch(0, 10) + batch(10, 5, 2))
    assert replicas.forks([one, two]) == []
    assert replicas.forks([one, two, three]) == ["a: the batches at offset 10 differ"]
