"""How a partition's folder and its files are called, in Kafka's own way."""

from typing import NamedTuple

LOG, INDEX, TIME_INDEX, TXN_INDEX, SNAPSHOT = ".log", ".index", ".timeindex", ".txnindex", ".snapshot"
SEGMENT_SUFFIXES = (LOG, INDEX, TIME_INDEX, TXN_INDEX)
DELETED, CLEANED, SWAP = ".deleted", ".cleaned", ".swap"
FOLDER_DELETED, FOLDER_FUTURE, FOLDER_STRAY = "-delete", "-future", "-stray"
NEW = ".tmp"  # what a file is called before it has its content
EPOCHS = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"
DIGITS = 20
MAX_FOLDER_NAME = 255  # of most filesystems


class Folder(NamedTuple):
    """What the name of a partition's folder says. `mark` is "", or one of the FOLDER_ suffixes."""

    topic: str
    partition: int
    mark: str = ""


def stem(offset: int) -> str:
    return f"{offset:020d}"


def split(name: str) -> tuple[int, str] | None:
    """Take a segment file's name apart: 00000000000000000042.log -> (42, ".log"). None: another kind of file.

    The suffix holds everything behind the digits: ".index.deleted", ".log.swap". A metadata snapshot's name, with its
    epoch behind a dash, is another kind of file.
    """
    digits, rest = name[:DIGITS], name[DIGITS:]
    if len(digits) == DIGITS and digits.isascii() and digits.isdigit() and rest.startswith("."):
        return int(digits), rest
    return None


def folder(topic: str, partition: int) -> str:
    return f"{topic}-{partition}"


def marked_folder(topic: str, partition: int, unique: str, mark: str) -> str:
    """Name a folder that is on its way out (or in): topic-partition.unique-delete, cut so that it fits."""
    tail = f"-{partition}.{unique}{mark}"
    return topic[: MAX_FOLDER_NAME - len(tail)] + tail


def parse_folder(name: str) -> Folder | None:
    """Read a folder's name; None: it holds no partition."""
    mark = next((m for m in (FOLDER_DELETED, FOLDER_FUTURE, FOLDER_STRAY) if name.endswith(m)), "")
    if mark:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    topic, dash, partition = name.rpartition("-")
    if not (topic and dash and partition.isascii() and partition.isdigit()):
        return None
    return Folder(topic, int(partition), mark)
