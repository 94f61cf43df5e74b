"""The controllers' quorum: how far its followers are behind, and what a controller to be added says of itself.

Source: KIP-836 (describe), KIP-853 (adding and removing voters).
"""

from collections.abc import Mapping
from typing import NamedTuple

from kcli.errors import Failure
from kcli.model import Quorum, Replica

STATUS_OR_REPLICATION = "One of --status or --replication must be specified with describe sub-command"
DESCRIBE = "kcli metadata-quorum describe --status tells ids and directories of the voters."
ADVICE = {  # what to do about a refusal of the quorum
    "DUPLICATE_VOTER": "Remove the voter with that id first, or give the new controller another node.id and format it.",
    "INVALID_REQUEST": DESCRIBE,
    "VOTER_NOT_FOUND": DESCRIBE,
    "REQUEST_TIMED_OUT": "See that the controller runs and reaches the others, and try again.",
    "UNSUPPORTED_VERSION": "Its voters are those of controller.quorum.voters until kraft.version is raised to 1.",
}
VALID = "Is this a valid controller configuration file?"


class Lag(NamedTuple):
    """Of the voter that is furthest behind. time_ms -1: not known."""

    records: int
    time_ms: int


class Added(NamedTuple):
    """A controller as its server.properties describes it. endpoints: (listener name, host, port) each."""

    id: int
    metadata_directory: str
    endpoints: tuple[tuple[str, str, int], ...]


def check_describe(*, status: bool, replication: bool, human_readable: bool) -> None:
    """The rules of `describe`, in Kafka's order. Raises Failure."""
    if status and replication:
        raise Failure("Only one of --status or --replication should be specified with describe sub-command")
    if not (status or replication):
        raise Failure(STATUS_OR_REPLICATION)
    if human_readable and not replication:
        raise Failure("The option --human-readable is only supported along with --replication")


def leader(quorum: Quorum) -> Replica:
    """Raises Failure: the quorum has no leader among its voters."""
    for voter in quorum.voters:
        if voter.id == quorum.leader:
            return voter
    raise Failure("The quorum has no leader now.", "Its controllers may be choosing one: try again.")


def max_lag(quorum: Quorum) -> Lag:
    """How far the slowest voter is behind the leader."""
    first = leader(quorum)
    slowest = min(quorum.voters, key=lambda voter: voter.log_end_offset)
    records = first.log_end_offset - slowest.log_end_offset
    if slowest.id == first.id:
        return Lag(records, 0)
    known = first.last_caught_up_timestamp_ms >= 0 and slowest.last_caught_up_timestamp_ms >= 0
    return Lag(records, first.last_caught_up_timestamp_ms - slowest.last_caught_up_timestamp_ms if known else -1)


def age_ms(timestamp_ms: int, now_ms: int, what: str) -> int:
    """How long ago it was; -1 stays. Raises Failure: it is in the future, so some clock is wrong."""
    if timestamp_ms == -1:
        return -1
    if not 0 < timestamp_ms <= now_ms:
        raise Failure(
            f"Error while computing relative time, possible drift in system clock.\n"
            f"Current timestamp is {now_ms}, {what} timestamp is {timestamp_ms}"
        )
    return now_ms - timestamp_ms


def added(told: Mapping[str, str]) -> Added:
    """Read the server.properties of a controller that is to be added. Raises Failure in Kafka's words."""
    if "node.id" not in told:
        raise Failure(f"node.id not found in configuration file. {VALID}")
    if not told["node.id"].strip().lstrip("-").isdigit():
        raise Failure(f"node.id is no number in configuration file: {told['node.id']}. {VALID}")
    node = int(told["node.id"])
    if node < 0:
        raise Failure(f"node.id was negative in configuration file. {VALID}")
    if "controller" not in _words(told.get("process.roles", "")):
        raise Failure(f"process.roles did not contain 'controller' in configuration file. {VALID}")
    directories = _words(told.get("metadata.log.dir", "")) or _words(told.get("log.dirs", told.get("log.dir", "")))
    if not directories:
        raise Failure(f"Neither metadata.log.dir nor log.dirs were found. {VALID}")
    return Added(node, directories[0], _endpoints(told))


def _endpoints(told: Mapping[str, str]) -> tuple[tuple[str, str, int], ...]:
    """Where its controller listeners are reached: as advertised, else where it listens."""
    names = _words(told.get("controller.listener.names", ""))
    if not names:
        raise Failure(f"controller.listener.names was not found. {VALID}")
    places = {}
    for text in _words(told.get("listeners", "")) + _words(told.get("advertised.listeners", "")):
        name, separator, rest = text.partition("://")
        host, colon, port = rest.rpartition(":")
        if separator and colon and port.isdigit():
            places[name] = (name, host.strip("[]") or "localhost", int(port))
    for name in names:
        if name not in places:
            raise Failure(f"Cannot find information about controller listener name: {name}")
    return tuple(places[name] for name in names)


def _words(text: str) -> list[str]:
    return [word for word in map(str.strip, text.split(",")) if word]
