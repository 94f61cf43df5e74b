"""server.properties to NodeConfig. Refusals carry Kafka's words, found by starting its KafkaConfig on the same text."""

import pytest

from server import config
from server.config import ConfigError, NodeConfig, Voter
from server.model.ids import NodeId
from server.model.listeners import Listener

BASE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": "1@localhost:9093",
    "listeners": "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": "/tmp/x",
}


def text(**changes: str | None) -> str:
    """The usual file with some lines changed, added at the end, or (None) left out; `_` in a name stands for `.`."""
    rows = {**BASE, **{name.replace("_", "."): value for name, value in changes.items()}}
    return "".join(f"{name}={value}\n" for name, value in rows.items() if value is not None)


def load(**changes: str | None) -> NodeConfig:
    return config.load(text(**changes), "server.properties")


def refusal(**changes: str | None) -> str:
    with pytest.raises(ConfigError) as refused:
        load(**changes)
    return str(refused.value)


def test_a_combined_node_is_read_whole() -> None:
    found = load(broker_rack="r1", metadata_log_dir="/meta")
    assert (found.path, found.node_id, found.process_roles) == (
        "server.properties",
        NodeId(1),
        frozenset({"broker", "controller"}),
    )
    assert found.listeners == (
        Listener("PLAINTEXT", "localhost", 9092),
        Listener("CONTROLLER", "localhost", 9093),
    )
    assert found.advertised_listeners == (Listener("PLAINTEXT", "localhost", 9092),)
    assert (found.controller_listener_names, found.inter_broker_listener_name) == (("CONTROLLER",), "PLAINTEXT")
    assert (found.voters, found.bootstrap_servers) == ((Voter(NodeId(1), "localhost", 9093),), ())
    assert (found.log_dirs, found.metadata_log_dir, found.rack) == (("/tmp/x",), "/meta", "r1")
    assert (found.is_broker, found.is_controller) == (True, True)
    assert (found.warnings, found.notices) == ((), ())


def test_a_broker_knows_its_controllers_from_afar() -> None:
    found = load(
        process_roles="broker",
        listeners="PLAINTEXT://:0",
        controller_quorum_voters=None,
        controller_quorum_bootstrap_servers="one:1,[::1]:2",
    )
    assert (found.is_broker, found.is_controller) == (True, False)
    assert found.bootstrap_servers == (("one", 1), ("::1", 2))
    assert found.listeners == found.advertised_listeners == (Listener("PLAINTEXT", "", 0),)


def test_a_controller_advertises_nothing() -> None:
    found = load(process_roles="controller", listeners="CONTROLLER://localhost:9093")
    assert found.advertised_listeners == ()


def test_numbers_flags_and_words_come_from_the_file_or_the_default() -> None:
    found = load(num_partitions="3", auto_create_topics_enable="false", sasl_enabled_mechanisms="PLAIN,GSSAPI")
    assert (found.number("num.partitions"), found.number("default.replication.factor")) == (3, 1)
    assert (found.flag("auto.create.topics.enable"), found.flag("delete.topic.enable")) == (False, True)
    assert found.words("sasl.enabled.mechanisms") == ("PLAIN", "GSSAPI")
    assert found.word("compression.type") == "producer"
    assert found.settings.value("num.partitions") == 3


def test_the_old_name_of_the_node_id_still_works() -> None:
    found = load(node_id=None, broker_id="1")
    assert (found.node_id, found.static["node.id"], found.static["broker.id"]) == (NodeId(1), "1", "1")


def test_an_override_goes_before_the_file_and_is_named_as_such() -> None:
    found = config.load(text(), "server.properties", {"num.partitions": "7"})
    assert found.number("num.partitions") == 7
    with pytest.raises(ConfigError) as refused:
        config.load(text(num_partitions="3"), "server.properties", {"num.partitions": "x"})
    assert str(refused.value) == (
        "--override num.partitions=x: Invalid value x for configuration num.partitions: Not a number of type INT"
    )


def test_every_wrong_value_is_told_with_its_line() -> None:
    assert refusal(num_partitions="abc", min_insync_replicas="0") == (
        "server.properties:7: Invalid value abc for configuration num.partitions: Not a number of type INT\n"
        "server.properties:8: Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"
    )


def test_the_last_of_two_lines_holds_and_is_the_one_blamed() -> None:
    with pytest.raises(ConfigError, match=r"^server.properties:8: Invalid value b "):
        config.load(text(num_partitions="1") + "num.partitions=b\n", "server.properties")


def test_a_broken_file_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"^x:2: Malformed \\uxxxx encoding\.$"):
        config.load("a=1\nb=\\u1", "x")


@pytest.mark.parametrize("name", ["process.roles", "node.id", "controller.listener.names"])
def test_what_must_be_there_must_be_there(name: str) -> None:
    assert refusal(**{name.replace(".", "_"): None}) == (
        f'server.properties: Missing required configuration "{name}" which has no default value.'
    )


VOTERS = "controller.quorum.voters"
NAMES = "controller.listener.names"
KRAFT = "configuration when running the KRaft controller role"


@pytest.mark.parametrize(
    ("changes", "line", "message"),
    [
        ({"broker_id": "2"}, 7, "You must set `node.id` to the same value as `broker.id`."),
        (
            {"controller_quorum_voters": "2@localhost:9093"},
            3,
            "If process.roles contains the 'controller' role, the node id 1 must be included in the set of voters "
            f"{VOTERS}=Set(2)",
        ),
        (
            {"process_roles": "broker"},
            3,
            "If process.roles contains just the 'broker' role, the node id 1 must not be included in the set of "
            f"voters {VOTERS}=Set(1)",
        ),
        ({"controller_quorum_voters": "1@a:1,1@b:2"}, 3, f"{VOTERS} names a voter twice."),
        (
            {"listeners": "PLAINTEXT://a:1"},
            5,
            f"{NAMES} must contain at least one value appearing in the 'listeners' {KRAFT}",
        ),
        (
            {"controller_listener_names": "CONTROLLER,OTHER"},
            5,
            f"{NAMES} must only contain values appearing in the 'listeners' {KRAFT}",
        ),
        (
            {"process_roles": "controller"},
            4,
            f"The listeners config must only contain KRaft controller listeners from {NAMES} when "
            "process.roles=controller",
        ),
        (
            {"process_roles": "broker", "controller_quorum_voters": "2@a:1"},
            5,
            f"{NAMES} must not contain a value appearing in the 'listeners' configuration when running KRaft with "
            "just the broker role",
        ),
        (
            {"advertised_listeners": "CONTROLLER://a:1"},
            7,
            f"There must be at least one broker advertised listener. Perhaps all listeners appear in {NAMES}?",
        ),
        (
            {"advertised_listeners": "PLAINTEXT://0.0.0.0:1"},
            7,
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
        ),
        ({"advertised_listeners": "FOO://a:1"}, 7, "No security protocol defined for listener FOO"),
        (
            {"inter_broker_listener_name": "CONTROLLER"},
            7,
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options "
            "based on currently configured listeners are PLAINTEXT",
        ),
        (
            {"inter_broker_listener_name": "FOO"},
            7,
            "Listener with name FOO defined in inter.broker.listener.name not found in listener.security.protocol.map.",
        ),
        (
            {"inter_broker_listener_name": "PLAINTEXT", "security_inter_broker_protocol": "PLAINTEXT"},
            7,
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
        ),
        (
            {"listener_security_protocol_map": "PLAINTEXT:PLAINTEXT,CONTROLLER:NOPE"},
            7,
            "Invalid security protocol `NOPE` defined in listener.security.protocol.map",
        ),
        (
            {"listener_security_protocol_map": "PLAINTEXT:PLAINTEXT"},
            4,
            "No security protocol defined for listener CONTROLLER",
        ),
        (
            {"cordoned_log_dirs": "/y"},
            7,
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /y",
        ),
        ({"log_retention_hours": "0"}, 7, "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
        ({"log_roll_ms": "0"}, 7, "log.roll.ms must be greater than or equal to 1"),
        ({"log_roll_jitter_ms": "-1"}, 7, "log.roll.jitter.ms must be greater than or equal to 0"),
        (
            {"log_cleaner_dedupe_buffer_size": "10"},
            7,
            "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
        ),
        (
            {"queued_max_request_bytes": "10"},
            7,
            "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
        ),
        (
            {"replica_selector_class": "org.example.Nearest"},
            7,
            "replica.selector.class must name one of: org.apache.kafka.common.replica.LeaderSelector, "
            "org.apache.kafka.common.replica.RackAwareReplicaSelector",
        ),
        (
            {"max_connections_per_ip": "0"},
            7,
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, str], line: int, message: str) -> None:
    assert refusal(**changes) == f"server.properties:{line}: {message}"


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        ("localhost:9092,CONTROLLER://a:1", "Unable to parse localhost:9092 to a broker endpoint"),
        ("PLAINTEXT://a,CONTROLLER://a:1", "Unable to parse PLAINTEXT://a to a broker endpoint"),
        ("PLAINTEXT://a:99999,CONTROLLER://a:1", "Unable to parse PLAINTEXT://a:99999 to a broker endpoint"),
        ("PLAINTEXT://a b:9,CONTROLLER://a:1", "Unable to parse PLAINTEXT://a b:9 to a broker endpoint"),
        (
            "PLAINTEXT://a:1,CONTROLLER://a:1",
            "Each listener must have a different port, listeners: [PLAINTEXT://a:1, CONTROLLER://a:1]",
        ),
        (
            "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:1",
            "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, listeners: "
            "[PLAINTEXT://127.0.0.1:1, CONTROLLER://127.0.0.1:1], port: 1",
        ),
        (
            "PLAINTEXT://a:1,PLAINTEXT://a:2,CONTROLLER://a:3",
            "Each listener must have a different name, listeners: [PLAINTEXT://a:1, PLAINTEXT://a:2, CONTROLLER://a:3]",
        ),
        ("SSL://a:1,CONTROLLER://a:2", "Listener SSL uses SSL, which is not built yet; PLAINTEXT is."),
    ],
)
def test_listeners_are_refused(urls: str, message: str) -> None:
    mapped = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL"
    assert refusal(listeners=urls, listener_security_protocol_map=mapped) == f"server.properties:4: {message}"


def test_one_port_serves_both_versions_of_ip() -> None:
    found = load(listeners="PLAINTEXT://127.0.0.1:1,CONTROLLER://[::1]:1")
    assert [str(each) for each in found.listeners] == ["PLAINTEXT://127.0.0.1:1", "CONTROLLER://[::1]:1"]


def test_the_port_0_may_be_asked_for_more_than_once() -> None:
    found = load(listeners="PLAINTEXT://localhost:0,CONTROLLER://localhost:0")
    assert [each.port for each in found.listeners] == [0, 0]


def test_what_is_advertised_may_differ_from_where_one_listens() -> None:
    found = load(listeners="PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093", advertised_listeners="PLAINTEXT://pub:19092")
    assert found.advertised_listeners == (Listener("PLAINTEXT", "pub", 19092),)
    listener = found.listener("PLAINTEXT")
    assert listener is not None
    assert listener.host == "0.0.0.0"


def test_config_providers_are_refused() -> None:
    assert refusal(config_providers="env") == (
        "server.properties:7: config providers are not supported; write the values themselves"
    )
    assert refusal(log_dirs="${env:DIR}") == (
        "server.properties:6: log.dirs asks a config provider for its value; write the value itself"
    )


def test_a_name_that_nobody_knows_is_a_warning() -> None:
    assert load(num_partitons="3").warnings == ("server.properties:7: unknown setting num.partitons is left aside",)


def test_a_list_that_repeats_itself_is_a_warning() -> None:
    found = load(log_dirs="/a,/b,/a")
    assert (found.log_dirs, found.warnings) == (("/a", "/b"), ("server.properties:6: log.dirs names something twice",))


def test_what_changes_nothing_here_is_a_notice_if_it_differs_from_the_default() -> None:
    found = load(num_io_threads="16", background_threads="10", listener_name_plaintext_ssl_keystore_type="JKS")
    assert found.warnings == ()
    assert found.notices == (
        "server.properties:7: num.io.threads is accepted, and not honoured yet",
        "server.properties:9: listener.name.plaintext.ssl.keystore.type is accepted, and not honoured yet",
    )


def test_the_static_layer_is_what_the_file_says() -> None:
    found = load(num_partitions="3")
    assert found.static == {**BASE, "num.partitions": "3", "broker.id": "1"}
