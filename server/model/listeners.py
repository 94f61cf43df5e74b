"""Listeners: names, addresses, which security protocol each speaks, and who may use which.

`PLAINTEXT://localhost:9092` names a listener; a map says which protocol a name means. Where no map is given, the four
protocols stand for themselves, and a controller's listener is plaintext as long as nothing else asks for security.
Source: KIP-103, KIP-291, KIP-631.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from server.model.settings.kinds import Value

PROTOCOLS = {"PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3}


class BadSetting(ValueError):
    """A setting that does not go with the others; the message is what the user reads."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Listener:
    """A name, an address and a protocol; an empty host means every interface, port 0 any free one."""

    name: str
    host: str
    port: int
    protocol: str = "PLAINTEXT"

    @property
    def security_protocol(self) -> int:
        """The protocol's number in records and requests."""
        return PROTOCOLS[self.protocol]

    def __str__(self) -> str:
        return f"{self.name}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


_URL = re.compile(r"(.*)://(\[[0-9a-zA-Z\-%._:]*\]|[0-9a-zA-Z\-%._:]*):([0-9]{1,5})", re.ASCII)
_V4 = re.compile(r"[0-9.]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Listeners:
    """A node's listeners: where it listens, what it tells clients, what is for controllers, what is between brokers."""

    own: tuple[Listener, ...]
    advertised: tuple[Listener, ...]
    controllers: tuple[str, ...]
    inter_broker: str


def resolve(values: Mapping[str, Value], given: Collection[str], *, broker: bool, controller: bool) -> Listeners:
    """Read and check the settings of listeners.

    values  every setting of a node by name; given: the names that a user wrote
    raises  BadSetting
    """
    names = tuple(name.upper() for name in _words(values, "controller.listener.names"))
    protocols = _protocols(values, given, names)
    own = _parse(values, "listeners", protocols)
    if controller:
        _check_controller(own, names, broker=broker)
    else:
        _check_broker_only(own, names, protocols)
    told = _parse(values, "advertised.listeners", protocols) if "advertised.listeners" in given else own
    advertised = tuple(each for each in told if each.name not in names)
    inter_broker = _inter_broker(values, given, protocols)
    if broker:
        _check_advertised(advertised, inter_broker)
    return Listeners(own, advertised, names, inter_broker)


def _words(values: Mapping[str, Value], name: str) -> tuple[str, ...]:
    value = values[name]
    return value if isinstance(value, tuple) else ()


def _protocols(values: Mapping[str, Value], given: Collection[str], controllers: tuple[str, ...]) -> dict[str, str]:
    """Which protocol each listener name means; where a user wrote no map, also those of the controllers."""
    setting = "listener.security.protocol.map"
    found = {}
    for pair in filter(None, (part.strip() for part in str(values[setting]).split(","))):
        name, colon, protocol = (part.strip() for part in pair.rpartition(":"))
        if not colon or not name:
            raise BadSetting(setting, f"Error parsing configuration property '{setting}': {pair}")
        if protocol.upper() not in PROTOCOLS:
            raise BadSetting(setting, f"Invalid security protocol `{protocol}` defined in {setting}")
        found[name.upper()] = protocol.upper()
    used = {*controllers, *(url.partition("://")[0].upper() for url in _words(values, "listeners"))}
    if setting not in given and not used & {"SSL", "SASL_PLAINTEXT", "SASL_SSL"}:
        found |= dict.fromkeys(controllers, "PLAINTEXT")
    return found


def _parse(values: Mapping[str, Value], setting: str, protocols: Mapping[str, str]) -> tuple[Listener, ...]:
    """Read a list of listener urls: distinct names, and distinct ports except for one of IPv4 and one of IPv6."""
    urls = _words(values, setting)
    found = tuple(_listener(setting, url, protocols) for url in urls)
    told = f"listeners: [{', '.join(urls)}]"
    if len({each.name for each in found}) < len(found):
        raise BadSetting(setting, f"Each listener must have a different name, {told}")
    if setting == "listeners":
        _check_ports(found, told)
    return found


def _listener(setting: str, url: str, protocols: Mapping[str, str]) -> Listener:
    found = _URL.fullmatch(url)
    if found is None or int(found[3]) > 65535:
        raise BadSetting(setting, f"Unable to parse {url} to a broker endpoint")
    name = found[1].upper()
    if name not in protocols:
        raise BadSetting(setting, f"No security protocol defined for listener {name}")
    if protocols[name] != "PLAINTEXT":
        raise BadSetting(setting, f"Listener {name} uses {protocols[name]}, which is not built yet; PLAINTEXT is.")
    return Listener(name, found[2].strip("[]"), int(found[3]), protocols[name])


def _check_ports(found: tuple[Listener, ...], told: str) -> None:
    by_port: dict[int, list[str]] = {}
    for each in found:
        if each.port:
            by_port.setdefault(each.port, []).append(each.host)
    for port, hosts in by_port.items():
        versions = sorted(6 if ":" in host else 4 if _V4.fullmatch(host) else 0 for host in hosts)
        if len(hosts) > 1 and not all(versions):
            raise BadSetting("listeners", f"Each listener must have a different port, {told}")
        if len(hosts) > 1 and versions != [4, 6]:
            raise BadSetting(
                "listeners",
                "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, "
                f"{told}, port: {port}",
            )


def _check_controller(own: tuple[Listener, ...], names: tuple[str, ...], *, broker: bool) -> None:
    found = {each.name for each in own} & set(names)
    where = "appearing in the 'listeners' configuration when running the KRaft controller role"
    setting = "controller.listener.names"
    if not found:
        raise BadSetting(setting, f"{setting} must contain at least one value {where}")
    if len(found) < len(names):
        raise BadSetting(setting, f"{setting} must only contain values {where}")
    if not broker and len(found) < len(own):
        raise BadSetting(
            "listeners",
            f"The listeners config must only contain KRaft controller listeners from {setting} when "
            "process.roles=controller",
        )


def _check_broker_only(own: tuple[Listener, ...], names: tuple[str, ...], protocols: Mapping[str, str]) -> None:
    setting = "controller.listener.names"
    if {each.name for each in own} & set(names):
        raise BadSetting(
            setting,
            f"{setting} must not contain a value appearing in the 'listeners' configuration when running KRaft with "
            "just the broker role",
        )
    if names[0] not in protocols:
        raise BadSetting(
            setting,
            f"Controller listener with name {names[0]} defined in {setting} not found in "
            "listener.security.protocol.map",
        )


def _inter_broker(values: Mapping[str, Value], given: Collection[str], protocols: Mapping[str, str]) -> str:
    setting, by_protocol = "inter.broker.listener.name", "security.inter.broker.protocol"
    name = values[setting]
    if not isinstance(name, str):
        return str(values[by_protocol])
    if by_protocol in given:
        raise BadSetting(setting, f"Only one of {setting} and {by_protocol} should be set.")
    if name.upper() not in protocols:
        raise BadSetting(
            setting,
            f"Listener with name {name.upper()} defined in {setting} not found in listener.security.protocol.map.",
        )
    return name.upper()


def _check_advertised(advertised: tuple[Listener, ...], inter_broker: str) -> None:
    if not advertised:
        raise BadSetting(
            "advertised.listeners",
            "There must be at least one broker advertised listener. Perhaps all listeners appear in "
            "controller.listener.names?",
        )
    names = [each.name for each in advertised]
    if inter_broker not in names:
        raise BadSetting(
            "inter.broker.listener.name",
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options "
            f"based on currently configured listeners are {','.join(names)}",
        )
    if any(each.host == "0.0.0.0" for each in advertised):
        raise BadSetting(
            "advertised.listeners",
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
        )
