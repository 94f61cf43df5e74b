"""What kcli storage makes of its command line. Words and answers are those of Apache Kafka 4.3.1's StorageTool."""

import pytest

from kcli.errors import Failure
from kcli.model import Credential, FirstVoter, LogDir, Meta
from kcli.plan import storage as plan

A, B = "JEXY6aqzQY-32P5TStzaFg", "MvDxzVmcRsaTz33bUuRU6A"
CLUSTER = "8oKgTfwXTvOPGWGdX6gbcQ"


def formatted(path: str, meta: Meta) -> LogDir:
    return LogDir(path, "formatted", meta)


def no_salt() -> bytes:
    raise AssertionError("the salt was given")


@pytest.mark.parametrize(
    ("text", "voters"),
    [
        (f"3@localhost:9093:{A}", (FirstVoter(3, "localhost", 9093, A),)),
        (f" 4@b:9094:{B} ,, 3@a:9093:{A}", (FirstVoter(3, "a", 9093, A), FirstVoter(4, "b", 9094, B))),
        (f"1@[::1]:9093:{A}", (FirstVoter(1, "::1", 9093, A),)),
        (f"1@:0:{A}", (FirstVoter(1, "", 0, A),)),
    ],
)
def test_first_voters_are_read(text: str, voters: tuple[FirstVoter, ...]) -> None:
    assert plan.first_voters(text) == voters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "No voters given."),
        (" , ", "No voters given."),
        (f"3@a:1:{A},3@b:2:{B}", "Node id 3 was specified more than once."),
        (f"localhost:9093:{A}", "No @ found in dynamic voter string."),
        (f"@localhost:9093:{A}", "Invalid @ at beginning of dynamic voter string."),
        (f"x@localhost:9093:{A}", "Failed to parse node id in dynamic voter string."),
        (f"-1@localhost:9093:{A}", "Invalid negative node id -1 in dynamic voter string."),
        ("1@", "No hostname found after node id."),
        ("1@localhost", "No colon following hostname could be found."),
        ("1@localhost:9093", "No colon following port could be found."),
        (f"1@localhost:x:{A}", "Failed to parse port in dynamic voter string."),
        (f"1@localhost:65536:{A}", "Invalid port 65536 in dynamic voter string."),
        (f"1@[::1:9093:{A}", "Hostname began with left bracket, but no right bracket was found."),
        (f"1@[::1]9093:{A}", "Port section must start with a colon."),
        ("1@localhost:9093:short", "Failed to parse directory ID in dynamic voter string."),
        (f"1@localhost:9093:{A}x", "Failed to parse directory ID in dynamic voter string."),
    ],
)
def test_a_voter_that_is_none_is_refused_in_kafkas_words(text: str, words: str) -> None:
    with pytest.raises(Failure, match=f"^{words}$".replace("[", "\\[")):
        plan.first_voters(text)


def test_a_password_becomes_a_credential() -> None:
    """What StorageTool 4.3.1 stored for ann, password `secret`, salt N3E=."""
    made = plan.credential('SCRAM-SHA-256=[name=ann,salt="N3E=",password="secret"]', no_salt)
    stored = bytes.fromhex("28cd5f6e1f8937767549de21a636c3e62535ebce27d12bfbbd148aed4e3b7676")
    server = bytes.fromhex("aae1aa1397be089f7c6885e1deb12c68071dc63e237d1f767e84e3bd09727b94")
    assert made == Credential("ann", 1, b"7q", stored, server, 4096)


def test_a_salted_password_needs_no_password() -> None:
    """What StorageTool 4.3.1 stored for bob."""
    made = plan.credential('SCRAM-SHA-512=[name=bob,iterations=8192,salt="N3E=",saltedpassword="YCE="]', no_salt)
    assert (made.user, made.mechanism, made.salt, made.iterations) == ("bob", 2, b"7q", 8192)
    assert made.stored_key.hex().startswith("7176a349f91eb2e1")
    assert made.server_key.hex().endswith("b83b11c20f060c07")


def test_a_salt_is_drawn_where_none_is_given() -> None:
    assert plan.credential("SCRAM-SHA-256=[name=ann,password=a=b]", lambda: b"drawn").salt == b"drawn"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("name=ann", "Expected configuration string to start with ["),
        ("[name=ann", "Expected configuration string to end with ]"),
        ("[]", "No equals sign found in SCRAM component: "),
        ("[name]", "No equals sign found in SCRAM component: name"),
        ("[password=secret]", "You must supply 'name' to add-scram"),
        ("[name=ann]", "You must supply one of 'password' or 'saltedpassword' to add-scram"),
        ("[name=ann,saltedpassword=YCE=]", "You must supply 'salt' with 'saltedpassword' to add-scram"),
        ("[name=ann,salt=***,password=x]", "Failed to decode given salt: ***"),
        ("[name=ann,saltedpassword=***,salt=N3E=]", "Failed to decode given saltedPassword: ***"),
        ("[name=ann,iterations=x,password=a]", "Failed to parse iterations count: x"),
        (
            "[name=ann,iterations=5,password=a]",
            "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
        ),
        (
            "[name=ann,iterations=16385,password=a]",
            "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_256",
        ),
        ("[name=ann,password=x,foo=1,bar=2]", "Unknown SCRAM configurations: bar, foo"),
    ],
)
def test_a_credential_that_is_none_is_refused_in_kafkas_words(config: str, words: str) -> None:
    with pytest.raises(Failure) as refused:
        plan.credential(f"SCRAM-SHA-256={config}", no_salt)
    assert refused.value.message == words


@pytest.mark.parametrize(
    ("texts", "found"),
    [(["a=1"], {"a": 1}), (["a=1", "a=2"], {"a": 2}), ([" a = -3 "], {"a": -3}), (["a=32767"], {"a": 32767})],
)
def test_levels_are_read(texts: list[str], found: dict[str, int]) -> None:
    assert plan.levels(texts) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", "Can't parse feature=level string a: equals sign not found."),
        ("a=x", "Can't parse feature=level string a=x: unable to parse x as a short."),
        ("a=32768", "Can't parse feature=level string a=32768: unable to parse 32768 as a short."),
    ],
)
def test_a_level_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(Failure) as refused:
        plan.levels([text])
    assert refused.value.message == words


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"is_controller": False, "standalone": True}, "You can only use --standalone on a controller."),
        ({"static": True, "standalone": True}, plan.STATIC_AND_DYNAMIC),
        ({"static": True, "voters": True}, plan.STATIC_AND_DYNAMIC),
        ({}, plan.NO_QUORUM),
        ({"no_voters": True}, None),
        ({"standalone": True}, None),
        ({"static": True}, None),
        ({"static": True, "no_voters": True}, None),
        ({"is_controller": False}, None),
    ],
)
def test_the_quorum_on_the_command_line_goes_with_that_of_the_file(flags: dict[str, bool], words: str | None) -> None:
    given = {"is_controller": True, "static": False, "standalone": False, "voters": False, "no_voters": False} | flags
    if words is None:
        plan.check_quorum(**given)
        return
    with pytest.raises(Failure) as refused:
        plan.check_quorum(**given)
    assert refused.value.message == words


def test_directories_are_named_by_what_they_become() -> None:
    voters = (FirstVoter(3, "a", 1, A),)
    assert [
        plan.kind_of("data", "meta", 3, voters),
        plan.kind_of("meta", "meta", 3, ()),
        plan.kind_of("meta", "meta", 3, voters),
        plan.kind_of("meta", "meta", 4, voters),
    ] == ["data directory", "metadata directory", "dynamic metadata voter directory", "dynamic metadata directory"]


@pytest.mark.parametrize(
    ("metas", "words"),
    [
        ([Meta(CLUSTER, 1, A), Meta(CLUSTER, 1, B)], None),
        ([Meta(None, None, None, 0)], None),
        ([Meta("other", 1, A)], f"Invalid cluster.id in: d0/meta.properties. Expected {CLUSTER}, but read other"),
        (
            [Meta(CLUSTER, 2, A)],
            f"Stored node id 2 doesn't match previous node id 1 in d0/meta.properties. {plan.MOVED}",
        ),
        (
            [Meta(CLUSTER, 1, A), Meta(CLUSTER, 1, A)],
            f"Duplicate directory ID {A} found. It was the ID of d0/meta.properties, but also of d1/meta.properties",
        ),
    ],
)
def test_formatted_directories_must_be_of_this_node(metas: list[Meta], words: str | None) -> None:
    found = [formatted(f"d{number}", meta) for number, meta in enumerate(metas)]
    if words is None:
        plan.check_formatted(found, CLUSTER, 1)
        return
    with pytest.raises(Failure) as refused:
        plan.check_formatted(found, CLUSTER, 1)
    assert refused.value.message == words


def test_problems_are_told_for_each_directory_against_the_first() -> None:
    found = [
        LogDir("a", "missing"),
        LogDir("b", "file"),
        LogDir("c", "empty"),
        LogDir("d", "broken", error="why"),
        formatted("e", Meta(CLUSTER, 1, A)),
        formatted("f", Meta("other", 2, B)),
        formatted("g", Meta(CLUSTER, 2, B)),
    ]
    assert plan.problems(found) == (
        "a does not exist",
        "b is not a directory",
        "c is not formatted.",
        "Error loading d/meta.properties: why",
        "Mismatched cluster IDs between storage directories.",
        "Mismatched node IDs between storage directories.",
    )


def test_directories_from_before_kraft_are_a_problem() -> None:
    assert plan.problems([formatted("a", Meta(CLUSTER, 1, None, 0))]) == (plan.LEGACY_FILES,)
