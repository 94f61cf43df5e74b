"""What a new node's directories shall hold, and what is wrong with those that it has.

Source: KIP-631, KIP-853 (dynamic quorums), KIP-900 (SCRAM credentials of a new cluster), KIP-1022 (features).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from kcli.errors import Failure
from kcli.model import Credential, FirstVoter, LogDir, Meta

STATIC_AND_DYNAMIC = (
    "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. If "
    "you want to use dynamic quorum, please remove controller.quorum.voters and specify "
    "controller.quorum.bootstrap.servers instead."
)
NO_QUORUM = (
    "Because controller.quorum.voters is not set on this controller, you must specify one of the following: "
    "--standalone, --initial-controllers, or --no-initial-controllers."
)
LEGACY_FILES = (
    "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are formatted for "
    "legacy mode."
)
MOVED = (
    "If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should "
    "remove all data in your data directories."
)
ID_BYTES = 16
MECHANISMS = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}
MIN_ITERATIONS, MAX_ITERATIONS = 4096, 16384
PASSWORD_KEYS = ("name", "salt", "iterations", "password", "saltedpassword")

DATA, METADATA = "data directory", "metadata directory"
DYNAMIC, DYNAMIC_VOTER = "dynamic metadata directory", "dynamic metadata voter directory"


def levels(texts: Iterable[str]) -> dict[str, int]:
    """Read `feature=level` texts for format; the last one of a feature counts."""
    found = {}
    for text in texts:
        name, equals, level = text.partition("=")
        if not equals:
            raise Failure(f"Can't parse feature=level string {text}: equals sign not found.")
        if not _is_short(level):
            raise Failure(f"Can't parse feature=level string {text}: unable to parse {level.strip()} as a short.")
        found[name.strip()] = int(level)
    return found


def dependency(text: str) -> tuple[str, int]:
    """Read one `feature=version` text for feature-dependencies."""
    name, equals, level = text.partition("=")
    if not equals or "=" in level:
        raise Failure(f"Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')")
    if not _is_short(level):
        raise Failure(f"Invalid version format: {level} for feature {name}")
    return name, int(level)


def first_voters(text: str) -> tuple[FirstVoter, ...]:
    """Read `id@host:port:directory,...`: the voters of a new dynamic quorum, by id."""
    voters = [_first_voter(part) for part in map(str.strip, text.split(",")) if part]
    if not voters:
        raise Failure("No voters given.")
    seen = set[int]()
    for voter in voters:
        if voter.id in seen:
            raise Failure(f"Node id {voter.id} was specified more than once.")
        seen.add(voter.id)
    return tuple(sorted(voters))


def _first_voter(text: str) -> FirstVoter:
    node, at, rest = text.partition("@")
    if not at:
        raise Failure("No @ found in dynamic voter string.")
    if not node:
        raise Failure("Invalid @ at beginning of dynamic voter string.")
    if not re.fullmatch(r"[+-]?\d+", node, re.ASCII):
        raise Failure("Failed to parse node id in dynamic voter string.")
    if int(node) < 0:
        raise Failure(f"Invalid negative node id {int(node)} in dynamic voter string.")
    host, rest = _host(rest)
    port, colon, directory = rest.partition(":")
    if not colon:
        raise Failure("No colon following port could be found.")
    if not re.fullmatch(r"[+-]?\d+", port, re.ASCII):
        raise Failure("Failed to parse port in dynamic voter string.")
    if not 0 <= int(port) <= 65535:
        raise Failure(f"Invalid port {int(port)} in dynamic voter string.")
    if not _is_id(directory):
        raise Failure(
            "Failed to parse directory ID in dynamic voter string.", "Draw one with kcli storage random-uuid."
        )
    return FirstVoter(int(node), host, int(port), directory)


def _host(text: str) -> tuple[str, str]:
    """Split `host:rest`; an IPv6 host stands in brackets."""
    if not text:
        raise Failure("No hostname found after node id.")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise Failure("Hostname began with left bracket, but no right bracket was found.")
        if not rest.startswith(":"):
            raise Failure("Port section must start with a colon.")
        return host, rest[1:]
    host, colon, rest = text.partition(":")
    if not colon:
        raise Failure("No colon following hostname could be found.")
    return host, rest


def check_quorum(*, is_controller: bool, static: bool, standalone: bool, voters: bool, no_voters: bool) -> None:
    """Whether the command line's idea of the quorum goes with the configuration's. Raises Failure."""
    if standalone and not is_controller:
        raise Failure("You can only use --standalone on a controller.")
    if static and (standalone or voters):
        raise Failure(STATIC_AND_DYNAMIC)
    if is_controller and not (static or standalone or voters or no_voters):
        raise Failure(NO_QUORUM)


def kind_of(directory: str, metadata_directory: str, node: int, voters: Sequence[FirstVoter]) -> str:
    """What kind of directory it becomes, in Kafka's words."""
    if directory != metadata_directory:
        return DATA
    if not voters:
        return METADATA
    return DYNAMIC_VOTER if any(voter.id == node for voter in voters) else DYNAMIC


def check_formatted(found: Iterable[LogDir], cluster_id: str, node: int) -> None:
    """Whether what is formatted already belongs to this node of this cluster. Raises Failure."""
    owners: dict[str, str] = {}
    for each in found:
        if each.kind == "broken":
            raise Failure(f"{each.path}/meta.properties: {each.error}")
        if not each.meta:
            continue
        path = f"{each.path}/meta.properties"
        if each.meta.cluster_id is not None and each.meta.cluster_id != cluster_id:
            raise Failure(f"Invalid cluster.id in: {path}. Expected {cluster_id}, but read {each.meta.cluster_id}")
        if each.meta.node_id is not None and each.meta.node_id != node:
            raise Failure(
                f"Stored node id {each.meta.node_id} doesn't match previous node id {node} in {path}. {MOVED}"
            )
        own = each.meta.directory_id
        if own is not None and owners.setdefault(own, path) != path:
            raise Failure(f"Duplicate directory ID {own} found. It was the ID of {owners[own]}, but also of {path}")


def problems(found: Iterable[LogDir]) -> tuple[str, ...]:
    """What is wrong with a node's directories, in the words of `info`."""
    told = []
    first: Meta | None = None
    for each in found:
        if each.kind == "missing":
            told.append(f"{each.path} does not exist")
        elif each.kind == "file":
            told.append(f"{each.path} is not a directory")
        elif each.kind == "empty":
            told.append(f"{each.path} is not formatted.")
        elif each.kind == "broken":
            told.append(f"Error loading {each.path}/meta.properties: {each.error}")
        elif first is None:
            first = each.meta
        elif each.meta and each.meta.cluster_id != first.cluster_id:
            told.append("Mismatched cluster IDs between storage directories.")
        elif each.meta and each.meta.node_id != first.node_id:
            told.append("Mismatched node IDs between storage directories.")
    if first and first.version == 0:
        told.append(LEGACY_FILES)
    return tuple(told)


def credential(text: str, new_salt: Callable[[], bytes]) -> Credential:
    """Read `SCRAM-SHA-256=[name=ann,password=secret]` and make the credential. Raises Failure in Kafka's words."""
    mechanism, equals, config = text.partition("=")
    if not equals:
        raise Failure(f"Failed to find equals sign in SCRAM argument '{text}'")
    if mechanism.strip() not in MECHANISMS:
        raise Failure(f"The add-scram mechanism {mechanism.strip()} is not supported.")
    given = _components(config.strip())
    number, algorithm = MECHANISMS[mechanism.strip()]
    if "name" not in given:
        raise Failure("You must supply 'name' to add-scram")
    salt = _decoded(given, "salt")
    iterations = _iterations(given.get("iterations"), mechanism.strip().replace("-", "_"))
    salted = _decoded(given, "saltedpassword")
    unknown = sorted(name for name in given if name not in PASSWORD_KEYS)
    if "password" not in given and salted is None:
        raise Failure("You must supply one of 'password' or 'saltedpassword' to add-scram")
    if "password" not in given and salt is None:
        raise Failure("You must supply 'salt' with 'saltedpassword' to add-scram")
    if unknown:
        raise Failure(f"Unknown SCRAM configurations: {', '.join(unknown)}")
    salt = new_salt() if salt is None else salt
    if "password" in given:
        salted = hashlib.pbkdf2_hmac(algorithm, given["password"].encode(), salt, iterations)
    assert salted is not None
    stored = hashlib.new(algorithm, hmac.digest(salted, b"Client Key", algorithm)).digest()
    return Credential(given["name"], number, salt, stored, hmac.digest(salted, b"Server Key", algorithm), iterations)


def _components(config: str) -> Mapping[str, str]:
    if not config.startswith("["):
        raise Failure("Expected configuration string to start with [")
    if not config.endswith("]"):
        raise Failure("Expected configuration string to end with ]")
    found = {}
    for part in config[1:-1].split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise Failure(f"No equals sign found in SCRAM component: {part}")
        value = value.strip()
        quoted = len(value) > 1 and value.startswith('"') and value.endswith('"')
        found[name.strip()] = value[1:-1] if quoted else value
    return found


def _decoded(given: Mapping[str, str], name: str) -> bytes | None:
    if name not in given:
        return None
    try:
        return base64.b64decode(given[name], validate=True)
    except ValueError as error:
        told = "saltedPassword" if name == "saltedpassword" else name
        raise Failure(f"Failed to decode given {told}: {given[name]}") from error


def _iterations(text: str | None, mechanism: str) -> int:
    if text is None:
        return MIN_ITERATIONS
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise Failure(f"Failed to parse iterations count: {text}")
    for holds, sign, limit in (
        (int(text) >= MIN_ITERATIONS, ">=", MIN_ITERATIONS),
        (int(text) <= MAX_ITERATIONS, "<=", MAX_ITERATIONS),
    ):
        if not holds:
            raise Failure(f"The 'iterations' value must be {sign} {limit} for add-scram using {mechanism}")
    return int(text)


def _is_short(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+", text.strip(), re.ASCII)) and -(1 << 15) <= int(text) < 1 << 15


def _is_id(text: str) -> bool:
    try:
        return len(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)) == ID_BYTES
    except ValueError:
        return False
