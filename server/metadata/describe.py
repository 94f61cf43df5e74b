"""What DescribeConfigs tells: each setting of a resource, its value, where that comes from, and what it would be else.

The order of synonyms and the cases where there are none are Kafka's: a topic setting names the broker settings that
stand behind it only from the one of its own name on, so `retention.ms` shows none unless `log.retention.ms` is set.

Source: KIP-133, KIP-226 (synonyms), KIP-569 (types and documentation), KIP-1142 (groups).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from server.metadata.image import Image
from server.model.settings.broker import BROKER, DYNAMIC
from server.model.settings.effective import BrokerSettings, Source, default_of, topic_default
from server.model.settings.group import CLIENT_METRICS, GROUP
from server.model.settings.kinds import REQUIRED, Mode, ResourceType, Setting, Table, Value, parse, text_of
from server.model.settings.ours import OURS
from server.model.settings.topic import TOPIC

# Broker settings that stand in for one another, the most exact first.
_FAMILIES = (
    ("log.roll.ms", "log.roll.hours"),
    ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
    ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
)
FAMILY: Mapping[str, tuple[str, ...]] = {name: family for family in _FAMILIES for name in family}


class Synonym(NamedTuple):
    name: str
    value: str | None
    source: Source


class Entry(NamedTuple):
    """One setting. `type` is a `kinds.Type`, 0 where the name is nobody's; sensitive values are never told."""

    name: str
    value: str | None
    source: Source
    read_only: bool
    sensitive: bool
    synonyms: tuple[Synonym, ...]
    type: int
    documentation: str


def topic(image: Image, broker: BrokerSettings, name: str) -> list[Entry]:
    """All settings of a topic, by name; `broker` is whose defaults it has."""
    return overridden(topic_defaults(broker), image.config(ResourceType.TOPIC, name))


def topic_defaults(broker: BrokerSettings) -> list[Entry]:
    """All settings of a topic that sets none itself."""
    entries = []
    for setting in TOPIC.values():
        behind = setting.synonyms[0][0] if setting.synonyms else None
        synonyms = () if behind is None else _broker_synonyms(broker, BROKER[behind])
        entries.append(_entry(setting, topic_default(setting.name, broker), synonyms, read_only=False))
    return entries


def overridden(defaults: Sequence[Entry], overrides: Mapping[str, str]) -> list[Entry]:
    """`defaults` with what a topic sets itself, in the same order."""
    return [_overridden(entry, overrides[entry.name]) if entry.name in overrides else entry for entry in defaults]


def _overridden(default: Entry, text: str) -> Entry:
    setting = TOPIC[default.name]
    synonyms = (Synonym(setting.name, text, Source.TOPIC), *default.synonyms)
    return _entry(setting, parse(setting, text), synonyms, read_only=False)


def broker(settings: BrokerSettings) -> list[Entry]:
    """All settings of one broker, by name, and those that it was given but nobody knows.

    Those that Apache Kafka has not are named where they were set: tools compare what two brokers say.
    """
    entries = []
    for setting in BROKER.values():
        synonyms = _broker_synonyms(settings, setting)
        set_value = settings.set_value(setting.name)
        if set_value is None and setting.name in OURS:
            continue
        default = None if setting.default is REQUIRED else default_of(setting)
        value = default if set_value is None else set_value
        entries.append(_entry(setting, value, synonyms, read_only=setting.mode is Mode.READ_ONLY))
    given = {**settings.static, **settings.cluster, **settings.dynamic}
    entries += [_dynamic(settings, name) for name in given if name not in BROKER]
    return sorted(entries, key=lambda entry: entry.name)


def cluster(settings: BrokerSettings) -> list[Entry]:
    """The settings that were set for all brokers."""
    entries = []
    for name, text in sorted(settings.cluster.items()):
        setting = DYNAMIC.get(name)
        told = None if setting is None or setting.sensitive else text
        synonym = Synonym(name, told, Source.DYNAMIC_DEFAULT_BROKER)
        if setting is None:
            entries.append(Entry(name, None, synonym.source, True, True, (synonym,), 0, ""))
        else:
            entries.append(_entry(setting, parse(setting, text), (synonym,), read_only=setting.mode is Mode.READ_ONLY))
    return entries


def _dynamic(settings: BrokerSettings, name: str) -> Entry:
    """A setting that only exists dynamically, or one that nobody knows and that may be a secret."""
    setting = DYNAMIC.get(name)
    layers = tuple(settings.layers(name))
    if setting is None:
        synonyms = tuple(Synonym(name, None, source) for source, _ in layers)
        return Entry(name, None, layers[0][0], True, True, synonyms, 0, "")
    synonyms = tuple(Synonym(name, text, source) for source, text in layers)
    return _entry(setting, parse(setting, layers[0][1]), synonyms, read_only=False)


def _broker_synonyms(settings: BrokerSettings, setting: Setting) -> tuple[Synonym, ...]:
    """What else could give the value, the one that does first: layer by layer, the names of a family in each."""
    names = FAMILY.get(setting.name, (setting.name,))
    found = [
        Synonym(name, None if setting.sensitive else text, source)
        for layer in (Source.DYNAMIC_BROKER, Source.DYNAMIC_DEFAULT_BROKER, Source.STATIC_BROKER)
        for name in names
        for source, text in settings.layers(name)
        if source == layer
    ]
    for name in names:
        default = BROKER[name].default
        if default is not None and default is not REQUIRED:
            found.append(Synonym(name, text_of(default_of(BROKER[name])), Source.DEFAULT))
    own = next((at for at, synonym in enumerate(found) if synonym.name == setting.name), len(found))
    return tuple(found[own:])


def group(image: Image, broker: BrokerSettings, name: str) -> list[Entry]:
    """All settings of a group: its own, else the broker's settings for groups."""
    return _own(GROUP, image.config(ResourceType.GROUP, name), Source.DYNAMIC_GROUP, broker)


def client_metrics(image: Image, name: str) -> list[Entry]:
    """All settings of one subscription to clients' metrics."""
    values = image.config(ResourceType.CLIENT_METRICS, name)
    return _own(CLIENT_METRICS, values, Source.DYNAMIC_CLIENT_METRICS, None)


def _own(table: Table, values: Mapping[str, str], source: Source, broker: BrokerSettings | None) -> list[Entry]:
    entries = []
    for setting in table.values():
        behind = BROKER.get(setting.synonyms[0][0]) if setting.synonyms else None
        default = default_of(setting)
        synonyms: tuple[Synonym, ...] = ()
        if broker is not None and behind is not None:
            synonyms = _broker_synonyms(broker, behind)
            default = broker.value(behind.name)
        elif broker is not None:
            synonyms = (Synonym(setting.name, text_of(default), Source.DEFAULT),)
        if setting.name in values:
            synonyms = (Synonym(setting.name, values[setting.name], source), *synonyms)
        value = parse(setting, values[setting.name]) if setting.name in values else default
        entries.append(_entry(setting, value, synonyms, read_only=False))
    return entries


def _entry(setting: Setting, value: Value, synonyms: tuple[Synonym, ...], *, read_only: bool) -> Entry:
    return Entry(
        setting.name,
        None if setting.sensitive else text_of(value),
        synonyms[0].source if synonyms else Source.DEFAULT,
        read_only,
        setting.sensitive,
        synonyms,
        setting.type,
        setting.doc,
    )


def only(entries: Iterable[Entry], names: Iterable[str] | None) -> list[Entry]:
    """The entries that were asked for; None asks for all."""
    wanted = None if names is None else set(names)
    return [entry for entry in entries if wanted is None or entry.name in wanted]
