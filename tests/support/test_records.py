"""Golden records are read, written back the same, and compared without what only Java says."""

from pathlib import Path

import pytest

from tests.support.records import Place, Printed, Step, complaints, message_lines, parse, rewritten, write

TEXT = """=== # why
=== file a.properties
x=1
# a comment of the file
=== sh rm a.properties
=== run topics --list
line of input
--- out
first

--- err
said
--- exit 1
--- kcli out
other
--- kcli exit 0
=== run topics
--- out
--- exit timeout
"""


def test_a_record_is_read_and_written_back_the_same() -> None:
    steps = parse(TEXT)
    assert write(steps) == TEXT
    assert [step.kind for step in steps] == ["file", "sh", "run", "run"]
    assert steps[0].comments == ("why",)
    assert steps[0].stdin == b"x=1\n# a comment of the file\n"
    assert (steps[2].stdin, steps[2].kafka, steps[2].ours) == (
        b"line of input\n",
        Printed("first\n\n", "said\n", 1),
        Printed("other\n", "", 0),
    )
    assert steps[3].kafka == Printed("", "", "timeout")


def test_what_differs_from_run_to_run_is_replaced() -> None:
    place = Place(Path("/tmp/w"), "127.0.0.1:1234", "127.0.0.1:1235")
    raw = (
        "Topic: a\tTopicId: _6uoVUl2TFO_LnujrEtkQw\tx\nY5A2GTzBQk2yiErxsxhabA\n8oKgTfwXTvOPGWGdX6gbcQ\n"
        "{directory.id=HBS25KykJnxS64gxjmexZQ, node.id=1}\n"
        "[2026-11-20 11:32:33,360] WARN 127.0.0.1:1234 127.0.0.1:1235\n"
        "CreateTime:1795174340815\t/tmp/w/f\n\tat a.b.C(D.java:1)\nOption     Description\n-----\n--x  y\n"
    )
    assert place.normal(raw) == (
        "Topic: a\tTopicId: <uuid>\tx\n<uuid>\n8oKgTfwXTvOPGWGdX6gbcQ\n{directory.id=<uuid>, node.id=1}\n"
        "[<date>] WARN $B $C\nCreateTime:<ms>\t<work>/f\n<option list>\n"
    )
    assert place.arguments("topics --bootstrap-server $B --topic 'a b'")[2:] == ["127.0.0.1:1234", "--topic", "a b"]


@pytest.mark.parametrize(
    ("out", "err", "said"),
    [
        ("Error while x : No.\n", "[<date>] ERROR java.util.E: No.\n (org.apache.kafka.tools.TopicCommand)\n", []),
        ("", "Missing\n<option list>\n", ["Missing"]),
        ("", "--b must be given\njava.lang.IllegalArgumentException: --b must be given\n", ["--b must be given"]),
        ("", "org.apache.kafka.common.KafkaException: No key\n", ["No key"]),
        ("", 'Exception in thread "main" java.lang.RuntimeException: Invalid\n', ["Invalid"]),
        ("", "org.apache.kafka.common.errors.TimeoutException\nProcessed 1\n", ["Processed 1"]),
        ("", "[<date>] WARN one (kafka.x.Y)\nProcessed 1\n", ["Processed 1"]),
    ],
)
def test_only_messages_are_left_of_what_java_said(out: str, err: str, said: list[str]) -> None:
    assert message_lines(Printed(out, err, 1)) == said


def test_kcli_has_kafkas_output_and_message_and_exit_code() -> None:
    step = Step((), "run", "topics", kafka=Printed("o\n", "m\njava.lang.AnException: m\n", 1))
    assert complaints(step, Printed("o\n", "m\nadvice\n", 1)) == []
    assert len(complaints(step, Printed("p\n", "advice\nm\n", 2))) == 3
    assert complaints(step, Printed("o\n", "m\n1\n2\n3\n", 1)) != []
    ours = rewritten(step, Printed("p\n", "", 0))
    assert ours.ours == Printed("p\n", "", 0)
    assert complaints(ours, Printed("p\n", "", 0)) == []
    assert complaints(ours, Printed("o\n", "m\n", 1)) != []
    assert rewritten(ours, Printed("o\n", "m\n", 1)) == step
