"""Which value of a setting holds: a topic's own, else the broker's dynamic, the cluster's, the file's, the default.

A topic setting that nobody set takes its value from the broker's settings of another name (its synonyms): the first
of them that is set anywhere, or else the first that has a default.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum

from server.model.log_settings import LogSettings
from server.model.settings.broker import BROKER
from server.model.settings.kinds import Setting, Value, parse
from server.model.settings.topic import TOPIC


class Source(IntEnum):
    """Where a value comes from, as numbered in DescribeConfigs."""

    UNKNOWN = 0
    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    DYNAMIC_CLIENT_METRICS = 7
    DYNAMIC_GROUP = 8


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What was set for one broker, as text, in its three layers; the upper ones win.

    dynamic  set for this broker while it ran; cluster: for all brokers; static: in its properties file
    """

    static: Mapping[str, str] = field(default_factory=dict)
    cluster: Mapping[str, str] = field(default_factory=dict)
    dynamic: Mapping[str, str] = field(default_factory=dict)

    def layers(self, name: str) -> Iterator[tuple[Source, str]]:
        """Each text that was set under this name, from the one that holds downwards."""
        if name in self.dynamic:
            yield Source.DYNAMIC_BROKER, self.dynamic[name]
        if name in self.cluster:
            yield Source.DYNAMIC_DEFAULT_BROKER, self.cluster[name]
        if name in self.static:
            yield Source.STATIC_BROKER, self.static[name]

    def set_value(self, name: str) -> Value:
        """The value that was set for a broker setting; None where none was."""
        text = next((text for _, text in self.layers(name)), None)
        return None if text is None else parse(BROKER[name], text)

    def value(self, name: str) -> Value:
        """The value of a broker setting that holds; its default where none was set."""
        found = self.set_value(name)
        return default_of(BROKER[name]) if found is None else found


def default_of(setting: Setting) -> Value:
    """The default; asserts that it has one."""
    assert setting.default is None or isinstance(setting.default, bool | int | float | str | tuple), setting.name
    return setting.default


def topic_default(name: str, broker: BrokerSettings) -> Value:
    """The value of a topic setting that the topic itself does not set."""
    setting = TOPIC[name]
    for synonym, factor in setting.synonyms:
        found = broker.set_value(synonym)
        if found is not None:
            return found * factor if factor > 1 and isinstance(found, int) else found
    for synonym, factor in setting.synonyms:
        default = BROKER[synonym].default
        if default is not None:
            return default * factor if factor > 1 and isinstance(default, int) else default_of(BROKER[synonym])
    return default_of(setting)


_FIELDS = {each.name: each.name.replace("_", ".") for each in fields(LogSettings)}
_TOPIC_FIELDS = {field_: name for field_, name in _FIELDS.items() if name in TOPIC}


def log_defaults(broker: BrokerSettings) -> LogSettings:
    """The settings of a log whose topic sets nothing itself."""
    values = {field_: _log_value(name, topic_default(name, broker)) for field_, name in _TOPIC_FIELDS.items()}
    expiration = broker.value("producer.id.expiration.ms")
    return LogSettings(**values, producer_id_expiration_ms=expiration)  # type: ignore[arg-type]


def overridden(defaults: LogSettings, overrides: Mapping[str, str]) -> LogSettings:
    """The settings of a log whose topic sets `overrides`; names that a log does not know are left aside."""
    changes = {
        field_: _log_value(name, parse(TOPIC[name], overrides[name]))
        for field_, name in _TOPIC_FIELDS.items()
        if name in overrides
    }
    return replace(defaults, **changes) if changes else defaults  # type: ignore[arg-type]


def log_settings(overrides: Mapping[str, str], broker: BrokerSettings) -> LogSettings:
    """What a log needs: topic's override > dynamic broker > dynamic default > static > default."""
    return overridden(log_defaults(broker), overrides)


def _log_value(name: str, value: Value) -> object:
    if name in ("retention.ms", "retention.bytes") and isinstance(value, int):
        return max(value, -1)  # Kafka takes any negative number for "no limit" here
    return frozenset(value) if isinstance(value, tuple) else value
