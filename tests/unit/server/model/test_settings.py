"""Our tables and refusals against what Apache Kafka 4.3.1's own ConfigDefs say (kafka_settings.txt, kafka_says.txt)."""

from pathlib import Path

import pytest

from server.model.errors import ErrorCode, Rejected
from server.model.settings import group, topic
from server.model.settings.broker import BROKER, DYNAMIC
from server.model.settings.kinds import DOUBLE_MAX, REQUIRED, Setting, Type, java_double, parse, table, text_of
from server.model.settings.ours import OURS
from server.model.settings.replicas import RATES

HERE = Path(__file__).parent
TABLES = {"topic": topic.TOPIC, "broker": BROKER, "group": group.GROUP, "metrics": group.CLIENT_METRICS}
KAFKA = [line.split("\t") for line in (HERE / "kafka_settings.txt").read_text().splitlines()]
SAYS = [line.split("\t") for line in (HERE / "kafka_says.txt").read_text().splitlines()]


def null(text: str) -> str | None:
    return None if text == r"\N" else text


def told(kind: str, setting: Setting) -> list[str]:
    default = "REQUIRED" if setting.default is REQUIRED else text_of(setting.default)
    return [
        setting.name,
        setting.type.name,
        r"\N" if default is None else default,
        str(setting.valid or ""),
        setting.importance,
        setting.mode.value if kind == "broker" else "",
    ]


def answer(setting: Setting, text: str | None) -> str:
    try:
        return f"ok {text_of(parse(setting, text))}".replace("ok None", "ok null")
    except Rejected as refused:
        return f"ERR {refused.message}" if refused.code is ErrorCode.INVALID_CONFIG else refused.code.name


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_has_kafkas_names_types_defaults_validators_and_modes(kind: str) -> None:
    ours = [told(kind, setting) for setting in TABLES[kind].values() if setting.name not in OURS]
    assert ours == [row[1:] for row in KAFKA if row[0] == kind]


@pytest.mark.parametrize("name", sorted({row[0] for row in SAYS}))
def test_a_value_is_read_or_refused_as_kafka_does(name: str) -> None:
    kind, _, setting = name.partition(" ")
    for _, text, says in (row for row in SAYS if row[0] == name):
        assert answer(TABLES[kind][setting], null(text)) == says, text


@pytest.mark.parametrize("setting", [each for kind in TABLES.values() for each in kind.values()], ids=lambda s: s.name)
def test_a_default_is_text_that_is_read_back_as_itself(setting: Setting) -> None:
    if setting.default is not REQUIRED and setting.default is not None:
        assert parse(setting, text_of(setting.default)) == setting.default


@pytest.mark.parametrize("setting", [each for kind in TABLES.values() for each in kind.values()], ids=lambda s: s.name)
def test_a_setting_says_what_it_is_for(setting: Setting) -> None:
    assert setting.doc.endswith(".")
    assert len(setting.doc) < 130


def test_every_synonym_of_a_topic_or_group_setting_is_a_broker_setting_of_its_type() -> None:
    for setting in (*topic.TOPIC.values(), *group.GROUP.values()):
        for name, factor in setting.synonyms:
            assert BROKER[name].type is setting.type or factor > 1, setting.name


def test_rates_are_dynamic_only() -> None:
    assert DYNAMIC.keys() - BROKER.keys() == RATES.keys()


def test_a_password_is_sensitive_and_nothing_else_is() -> None:
    sensitive = {name for name, setting in BROKER.items() if setting.sensitive}
    assert sensitive == {name for name, setting in BROKER.items() if setting.type is Type.PASSWORD}
    assert "ssl.keystore.password" in sensitive


def test_a_name_is_declared_once() -> None:
    with pytest.raises(AssertionError, match="declared twice"):
        table([BROKER["node.id"]], [BROKER["node.id"]])


@pytest.mark.parametrize(
    ("value", "java"),
    [
        (0.5, "0.5"),
        (100.0, "100.0"),
        (0.0, "0.0"),
        (-1.25, "-1.25"),
        (20480000.0, "2.048E7"),
        (9999999.0, "9999999.0"),
        (10000000.0, "1.0E7"),
        (0.001, "0.001"),
        (0.00025, "2.5E-4"),
        (1e-05, "1.0E-5"),
        (-1.5e300, "-1.5E300"),
        (DOUBLE_MAX, "1.7976931348623157E308"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_a_double_is_told_as_java_tells_it(value: float, java: str) -> None:
    assert java_double(value) == java


def test_an_unknown_topic_setting_is_refused_in_kafkas_words() -> None:
    with pytest.raises(Rejected) as refused:
        topic.check({"retention.ms": "1", "no.such.config": "1"})
    assert (refused.value.code, refused.value.message) == (
        ErrorCode.INVALID_CONFIG,
        "Unknown topic config name: no.such.config",
    )


def test_compaction_lags_must_not_cross() -> None:
    with pytest.raises(Rejected) as refused:
        topic.check({"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"})
    assert refused.value.message == (
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"interval.ms": "1"}, "Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)"),
        ({"interval": "1000"}, "Unknown client metrics configuration: interval"),
        ({"match": "client_idd=x"}, "Illegal client matching pattern: client_idd=x"),
        ({"match": "client_id"}, "Illegal client matching pattern: client_id"),
        ({"match": "client_id=("}, "Illegal client matching pattern: client_id=("),
    ],
)
def test_a_subscription_to_metrics_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(Rejected) as refused:
        group.check_client_metrics(values)
    assert refused.value.message == message


def test_a_subscription_to_metrics_is_taken() -> None:
    group.check_client_metrics(
        {"interval.ms": "100", "metrics": "org.apache.kafka.", "match": "client_id=c1,client_software_name=kafka.*"}
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"consumer.session.timeout": "1"}, "Unknown group config name: consumer.session.timeout"),
        (
            {"consumer.session.timeout.ms": "1"},
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            {"consumer.session.timeout.ms": "60001"},
            "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
        ),
        (
            {"streams.num.standby.replicas": "3"},
            "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
        ),
        (
            {"share.session.timeout.ms": "50000", "share.heartbeat.interval.ms": "50000"},
            "share.session.timeout.ms must be greater than share.heartbeat.interval.ms",
        ),
    ],
)
def test_a_groups_settings_are_refused(values: dict[str, str], message: str) -> None:
    bounds = {
        "group.consumer.min.session.timeout.ms": 45_000,
        "group.consumer.max.session.timeout.ms": 60_000,
        "group.streams.max.standby.replicas": 2,
    }
    with pytest.raises(Rejected) as refused:
        group.check_group(values, bounds)
    assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_CONFIG, message)
