"""NodeConfig: what a node is told by its server.properties, checked once at the start.

A value that cannot hold is an error that names file and line; so is a contradiction between two settings. A name that
nobody knows is a warning. A setting that is Kafka's but that this broker does not act on is a notice.

Source: KIP-500 (process.roles), KIP-103 and KIP-291 (listeners), KIP-595 and KIP-853 (the quorum).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from server.model import properties
from server.model.errors import Rejected
from server.model.ids import NodeId
from server.model.listeners import BadSetting, Listener, resolve
from server.model.settings.broker import BROKER
from server.model.settings.effective import BrokerSettings, default_of, log_defaults
from server.model.settings.kinds import REQUIRED, Type, Value, parse
from server.model.settings.replicas import REPLICA_SELECTORS
from server.model.settings.valid import host_and_port

BROKER_ROLE, CONTROLLER_ROLE = "broker", "controller"


_PROVIDED = re.compile(r"\$\{[^}:]*:[^}]*\}")


class ConfigError(Exception):
    """The configuration cannot be used; the message is what the user reads, one line for each problem."""


@dataclass(frozen=True, slots=True)
class Voter:
    node_id: NodeId
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A node's configuration. Settings without an attribute of their own: number(), flag(), word(), words()."""

    path: str
    node_id: NodeId
    process_roles: frozenset[str]
    listeners: tuple[Listener, ...]
    advertised_listeners: tuple[Listener, ...]
    controller_listener_names: tuple[str, ...]
    inter_broker_listener_name: str
    voters: tuple[Voter, ...]
    bootstrap_servers: tuple[tuple[str, int], ...]
    log_dirs: tuple[str, ...]
    metadata_log_dir: str
    rack: str | None
    values: Mapping[str, Value] = field(repr=False)
    static: Mapping[str, str] = field(repr=False)
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def is_broker(self) -> bool:
        return BROKER_ROLE in self.process_roles

    @property
    def is_controller(self) -> bool:
        return CONTROLLER_ROLE in self.process_roles

    @property
    def settings(self) -> BrokerSettings:
        """The static layer; add what the image has for this broker and for all of them."""
        return BrokerSettings(self.static)

    def listener(self, name: str) -> Listener | None:
        return next((each for each in self.listeners if each.name == name), None)

    def number(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int), name
        return value

    def flag(self, name: str) -> bool:
        value = self.values[name]
        assert isinstance(value, bool), name
        return value

    def word(self, name: str) -> str:
        value = self.values[name]
        assert isinstance(value, str), name
        return value

    def words(self, name: str) -> tuple[str, ...]:
        value = self.values[name]
        assert isinstance(value, tuple), name
        return value


def load(text: str, path: str, overrides: Mapping[str, str] | None = None) -> NodeConfig:
    """Read a properties file's text, with `--override` values on top.

    Raises ConfigError: all values that cannot hold, or else the first contradiction between settings.
    """
    given = _given(text, path, overrides or {})
    return _Reading(path, given, _values(path, given)).config()


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as it was given, and where: `server.properties:12` or `--override name=value`.

    Lists lose what they name twice, as they do in Kafka; `repeats` says that this one did.
    """

    value: str
    where: str
    repeats: bool = False


def _given(text: str, path: str, overrides: Mapping[str, str]) -> dict[str, _Given]:
    try:
        rows = properties.parse(text)
    except properties.BadProperties as broken:
        raise ConfigError(f"{path}:{broken.line}: {broken}") from None
    given = {row.name: _Given(row.value, f"{path}:{row.line}") for row in rows}
    given |= {name: _Given(value, f"--override {name}={value}") for name, value in overrides.items()}
    for name, found in given.items():
        if name in BROKER and BROKER[name].type is Type.LIST:
            parts = [part.strip() for part in found.value.split(",")]
            if len(set(parts)) < len(parts):
                given[name] = _Given(",".join(dict.fromkeys(parts)), found.where, repeats=True)
    for new, old in (("node.id", "broker.id"), ("broker.id", "node.id")):
        if old in given and new not in given:
            given[new] = given[old]
    return given


def _values(path: str, given: Mapping[str, _Given]) -> dict[str, Value]:
    """Every setting's value, read from what was given or the default. Raises ConfigError with a line for each fault."""
    faults: list[tuple[int, str]] = []  # by place in the file
    place = {name: at for at, name in enumerate(given)}
    values: dict[str, Value] = {}
    for name, setting in BROKER.items():
        found = given.get(name)
        if found is None and setting.default is REQUIRED:
            faults.append((-1, f'{path}: Missing required configuration "{name}" which has no default value.'))
            continue
        try:
            values[name] = default_of(setting) if found is None else parse(setting, found.value)
        except Rejected as refused:
            assert found is not None, name
            faults.append((place[name], f"{found.where}: {refused.message}"))
    for name, found in given.items():
        if name == "config.providers" and found.value.strip():
            faults.append(
                (place[name], f"{found.where}: config providers are not supported; write the values themselves")
            )
        elif _PROVIDED.search(found.value):
            message = f"{found.where}: {name} asks a config provider for its value; write the value itself"
            faults.append((place[name], message))
    if faults:
        raise ConfigError("\n".join(message for _, message in sorted(faults)))
    return values


class _Reading:
    """The rules that hold between settings. Raises ConfigError at the setting to blame."""

    def __init__(self, path: str, given: Mapping[str, _Given], values: Mapping[str, Value]) -> None:
        self.path, self.given, self.values = path, given, values
        self.roles = frozenset(self.words("process.roles"))

    def words(self, name: str) -> tuple[str, ...]:
        value = self.values[name]
        return value if isinstance(value, tuple) else ()

    def number(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int), name
        return value

    def word(self, name: str) -> str | None:
        value = self.values[name]
        return value if isinstance(value, str) else None

    def require(self, name: str, holds: bool, message: str) -> None:
        if not holds:
            raise BadSetting(name, message)

    def config(self) -> NodeConfig:
        try:
            return self.checked()
        except BadSetting as bad:
            where = self.given[bad.name].where if bad.name in self.given else self.path
            raise ConfigError(f"{where}: {bad}") from None

    def checked(self) -> NodeConfig:
        same = self.number("broker.id") in (-1, self.number("node.id"))
        self.require("broker.id", same, "You must set `node.id` to the same value as `broker.id`.")
        voters = self.voters()
        is_broker, is_controller = BROKER_ROLE in self.roles, CONTROLLER_ROLE in self.roles
        listeners = resolve(self.values, self.given, broker=is_broker, controller=is_controller)
        self.check_numbers()
        selector = self.word("replica.selector.class")
        known = f"replica.selector.class must name one of: {', '.join(REPLICA_SELECTORS)}"
        self.require("replica.selector.class", selector is None or selector in REPLICA_SELECTORS, known)
        dirs = self.log_dirs()
        servers = (host_and_port(each) for each in self.words("controller.quorum.bootstrap.servers"))
        return NodeConfig(
            self.path,
            NodeId(self.number("node.id")),
            self.roles,
            listeners.own,
            listeners.advertised,
            listeners.controllers,
            listeners.inter_broker,
            voters,
            tuple(each for each in servers if each is not None),
            dirs,
            self.word("metadata.log.dir") or dirs[0],
            self.word("broker.rack"),
            self.values,
            {name: found.value for name, found in self.given.items() if name in BROKER},
            tuple(self.warnings()),
            tuple(self.notices()),
        )

    def voters(self) -> tuple[Voter, ...]:
        name = "controller.quorum.voters"
        found = []
        for text in self.words(name):
            voter, _, address = text.partition("@")
            host_port = host_and_port(address)
            assert host_port is not None, text
            found.append(Voter(NodeId(int(voter)), *host_port))
        self.require(
            name,
            bool(found or self.words("controller.quorum.bootstrap.servers")),
            "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap "
            "controllers or controller.quorum.voters must contain a parseable set of controllers.",
        )
        ids = [voter.node_id for voter in found]
        self.require(name, len(set(ids)) == len(ids), f"{name} names a voter twice.")
        node, told = self.number("node.id"), f"{name}=Set({', '.join(map(str, ids))})"
        if found and CONTROLLER_ROLE in self.roles:
            role, rule, holds = "contains the 'controller'", "must be", node in ids
        else:
            role, rule, holds = "contains just the 'broker'", "must not be", node not in ids
        self.require(
            name, holds, f"If process.roles {role} role, the node id {node} {rule} included in the set of voters {told}"
        )
        return tuple(found)

    def log_dirs(self) -> tuple[str, ...]:
        dirs = self.words("log.dirs") or self.words("log.dir")
        missing = [each for each in self.words("cordoned.log.dirs") if each not in dirs and each != "*"]
        self.require(
            "cordoned.log.dirs",
            not missing,
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. "
            f"Missing entries : {', '.join(missing)}",
        )
        return dirs

    def check_numbers(self) -> None:
        """What one number says about another; names and words are Kafka's."""
        log = log_defaults(BrokerSettings({name: found.value for name, found in self.given.items() if name in BROKER}))
        wait, lag = "replica.fetch.wait.max.ms", "replica.lag.time.max.ms"
        queued, largest = "queued.max.request.bytes", "socket.request.max.bytes"
        dedupe, cleaners = "log.cleaner.dedupe.buffer.size", "log.cleaner.threads"
        given = next((name for name in ("ms", "minutes", "hours") if f"log.retention.{name}" in self.given), "ms")
        for name, holds, message in (
            (f"log.retention.{given}", log.retention_ms != 0,
             "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
            ("log.roll.ms", log.segment_ms >= 1, "log.roll.ms must be greater than or equal to 1"),
            ("log.roll.jitter.ms", log.segment_jitter_ms >= 0,
             "log.roll.jitter.ms must be greater than or equal to 0"),
            (dedupe, self.number(dedupe) >= self.number(cleaners) << 20,
             f"{dedupe} must be at least 1MB per cleaner thread."),
            (queued, self.number(queued) <= 0 or self.number(queued) >= self.number(largest),
             f"{queued} must be larger or equal to {largest}"),
            (wait, self.number(wait) <= self.number("replica.socket.timeout.ms"),
             f"replica.socket.timeout.ms should always be at least {wait} to prevent unnecessary socket timeouts"),
            (wait, self.number(wait) <= self.number(lag),
             f"{wait} should always be less than or equal to {lag} to prevent frequent changes in ISR"),
            ("max.connections.per.ip",
             bool(self.number("max.connections.per.ip") or self.word("max.connections.per.ip.overrides")),
             "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."),
        ):  # fmt: skip
            self.require(name, holds, message)

    def warnings(self) -> Iterator[str]:
        """Names that nobody knows, misspelt ones most likely; and lists with repeats."""
        for name, found in self.given.items():
            if found.repeats:
                yield f"{found.where}: {name} names something twice"
            if name not in BROKER and _plain_name(name) not in BROKER:
                yield f"{found.where}: unknown setting {name} is left aside"

    def notices(self) -> Iterator[str]:
        """Settings of Kafka's that change nothing here, where they differ from the default."""
        for name, found in self.given.items():
            setting = BROKER.get(_plain_name(name))
            if setting is None or (setting.honoured and name in BROKER):
                continue
            if name not in BROKER or self.values[name] != setting.default:
                yield f"{found.where}: {name} is accepted, and not honoured yet"


def _plain_name(name: str) -> str:
    """`ssl.keystore.location` of `listener.name.external.ssl.keystore.location`; a SASL mechanism goes as well."""
    if not name.startswith("listener.name."):
        return name
    rest = name.removeprefix("listener.name.").partition(".")[2]
    return rest if rest in BROKER else rest.partition(".")[2]
