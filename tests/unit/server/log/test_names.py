import pytest

from server.log import names
from server.log.names import Folder


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("00000000000000000042.log", (42, ".log")),
        ("09223372036854775807.timeindex", (9223372036854775807, ".timeindex")),
        ("00000000000000000000.index.deleted", (0, ".index.deleted")),
        ("00000000000000000211-0000000002.checkpoint", None),
        ("leader-epoch-checkpoint", None),
        ("0000000000000000000x.log", None),
        ("0000000000000000001.log", None),
        ("\u0660" * 20 + ".log", None),
    ],
)
def test_a_segment_file_has_twenty_digits_and_a_suffix(name: str, parts: tuple[int, str] | None) -> None:
    assert names.split(name) == parts


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("orders-0", Folder("orders", 0)),
        ("a-b.c_d-12", Folder("a-b.c_d", 12)),
        ("orders-3.0f-delete", Folder("orders", 3, "-delete")),
        ("orders-3.0f-future", Folder("orders", 3, "-future")),
        ("orders-3.0f-stray", Folder("orders", 3, "-stray")),
        ("x-delete", None),
        ("lost+found", None),
        ("orders-", None),
        ("-1", None),
        ("orders-x", None),
    ],
)
def test_a_folder_is_named_after_its_partition(name: str, folder: Folder | None) -> None:
    assert names.parse_folder(name) == folder


def test_a_long_topic_is_cut_so_that_its_doomed_folder_has_a_name() -> None:
    name = names.marked_folder("t" * 249, 7, "f" * 32, "-delete")
    assert len(name) == 255
    assert names.parse_folder(name) == Folder("t" * 213, 7, "-delete")
