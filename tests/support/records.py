"""Golden records: what Apache Kafka's tools printed for a list of calls, and whether kcli prints the same.

A record is one text. Its steps, in the order in which they are played in one empty work folder against one new broker:

    === # a comment on the step below
    === file NAME            the lines below are a file in the work folder
    === sh COMMAND           a shell command in the work folder
    === run TOOL ARGS        a call of kafka-TOOL; the lines before `--- out` are its standard input
    --- out                  what Kafka's tool printed on standard output
    --- err                  and on standard error (left out where that was empty)
    --- exit N
    --- kcli out             what kcli prints instead, where it differs on purpose; the comment says why
    --- kcli err
    --- kcli exit N

`$B` is the broker's address, `$C` the controller's. What differs from run to run is replaced: <uuid>, <date>, <ms>,
<work> and <top>, the folder above it, <salt and keys>; and what no record is for: <option list>, <help text>.
`python -m tests.conformance --record NAME` plays a record with Kafka's tools and writes the Kafka parts anew;
`pytest tests/golden --rewrite` plays it with kcli and writes the kcli parts.

kcli has to print Kafka's standard output, and Kafka's message on standard error, without what only Java says: log
lines, stack frames, exception classes, option tables. It may add a line of advice. Its exit code is Kafka's.
"""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.nodes import CLUSTER_ID

ADVICE_LINES = 2
KEPT_UUIDS = {CLUSTER_ID, "A" * 22}
PART = re.compile(r"--- ((?:kcli )?(?:out|err|exit))(?: (\S+))?$")
UUID = re.compile(r"(TopicId: |directory\.id=|directory id |^)([A-Za-z0-9_-]{22})(?=[\s,}]|$)", re.MULTILINE)
REPLICA = re.compile(r"^(\d+ +\t[\w-]{22}\t)\d+ *\t(\d+ *\t)\d[\w ]*\t\d[\w ]*\t", re.MULTILINE)
LOG_LINE = re.compile(r"\[<date>\] (?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ")
LOG_TAIL = re.compile(r" ?\((?:kafka|org\.apache\.kafka)\.[\w.$]+\)$")
EXCEPTION = re.compile(
    r'(?:Exception in thread "main" |Caused by: |\tSuppressed: )?'
    r"(?:[a-z_]\w*\.)+[A-Z]\w*(?:Exception|Error)\b(?:: (.*))?$"
)
# Salts that were drawn, and what follows from them; those that were given are short.
SCRAM = re.compile(r"salt=\[(?:-?\d+, ){9,}-?\d+\], storedKey=\[[^]]*\], serverKey=\[[^]]*\]")
# What performance tools measure; what they count stays.
RATES = r"[\d.]+ records/sec \([\d.]+ MB/sec\), "
LATENCIES = r"[\d.]+ ms avg latency, [\d.]+ ms max latency, \d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99\.9th"
PRODUCED = re.compile(rf"(?:{RATES})?{LATENCIES}")
MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}"
CONSUMED = re.compile(rf"^{MOMENT}, {MOMENT}, ([\d.]+), [\d.]+, (\d+), .*", re.MULTILINE)
METRICS = re.compile(r"^Metric Name .*", re.MULTILINE | re.DOTALL)
ECHOED = re.compile(r"^(\d+\t)[\d.]+(?:E-?\d+)?$|^(Avg latency: |Percentiles: 50th = ).*", re.MULTILINE)
USAGE = re.compile(r"^usage: kafka-producer-perf-test\n(?: .*\n)+", re.MULTILINE)
OPTION_LIST = re.compile(r"^Option +(?:\(\* = required\) +)?Description.*", re.MULTILINE | re.DOTALL)
JAVA_NOTICE = "The consumer rebalance protocol (KIP-848)"


@dataclass(frozen=True)
class Printed:
    out: str
    err: str
    exit: int | str


@dataclass(frozen=True)
class Step:
    comments: tuple[str, ...]
    kind: str  # file, sh, run
    words: str
    lines: tuple[str, ...] = ()
    kafka: Printed | None = None
    ours: Printed | None = None

    @property
    def stdin(self) -> bytes:
        return "".join(f"{line}\n" for line in self.lines).encode()


Run = Callable[[str, Sequence[str], bytes], "subprocess.CompletedProcess[bytes]"]


def parse(text: str) -> list[Step]:
    steps: list[Step] = []
    comments: list[str] = []
    for block in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        head, *lines = block.splitlines()
        kind, _, words = head.partition(" ")
        if kind == "#":
            comments.append(words)
            continue
        parts: dict[str, list[str]] = {"in": []}
        part = parts["in"]
        for line in lines:
            if found := PART.match(line):
                part = parts.setdefault(found[1], [found[2]] if found[2] else [])
            else:
                part.append(line)
        ours, kafka = _printed(parts, "kcli "), _printed(parts, "")
        steps.append(Step(tuple(comments), kind, words, tuple(parts["in"]), kafka, ours))
        comments = []
    return steps


def _printed(parts: Mapping[str, list[str]], side: str) -> Printed | None:
    if f"{side}exit" not in parts:
        return None
    code = parts[f"{side}exit"][0]
    out, err = (_text(parts.get(f"{side}{name}", [])) for name in ("out", "err"))
    return Printed(out, err, int(code) if code.isdigit() else code)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def write(steps: Sequence[Step]) -> str:
    return "".join(line + "\n" for step in steps for line in _lines(step))


def _lines(step: Step) -> Iterator[str]:
    yield from (f"=== # {comment}" for comment in step.comments)
    yield f"=== {step.kind} {step.words}".rstrip()
    yield from step.lines
    for side, printed in (("", step.kafka), ("kcli ", step.ours)):
        if printed:
            yield f"--- {side}out"
            yield from printed.out.splitlines()
            if printed.err:
                yield f"--- {side}err"
                yield from printed.err.splitlines()
            yield f"--- {side}exit {printed.exit}"


@dataclass(frozen=True)
class Place:
    """Where a record is played: a work folder, and the addresses that `$B` and `$C` stand for."""

    work: Path
    bootstrap: str = ""
    controller: str = ""

    def arguments(self, words: str) -> list[str]:
        return shlex.split(words.replace("$B", self.bootstrap).replace("$C", self.controller))

    def normal(self, text: str) -> str:
        """`text` without what differs from run to run."""
        text = text.replace("\r\n", "\n")
        for name, value in (
            ("$B", self.bootstrap),
            ("$C", self.controller),
            ("<work>", str(self.work)),
            ("<top>", str(self.work.parent)),
        ):
            text = text.replace(value, name) if value else text
        text = re.sub(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]", "[<date>]", text)
        text = re.sub(r"((?:Create|LogAppend)Time:)\d{13}", r"\1<ms>", text)
        text = re.sub(r"^((?:HighWatermark|LeaderEpoch):\s+)\d+", r"\1<n>", text, flags=re.MULTILINE)
        text = CONSUMED.sub(r"<moment>, <moment>, \1, <rate>, \2, <rates>", PRODUCED.sub("<rates>", text))
        text = ECHOED.sub(r"\1\2<ms>", text)
        text = USAGE.sub("<usage>\n", METRICS.sub("<metrics>\n", text))
        text = SCRAM.sub("<salt and keys>", text)
        text = REPLICA.sub(r"\1<n>\t\2<ms>\t<ms>\t", text)
        text = UUID.sub(lambda m: m[0] if m[2] in KEPT_UUIDS else f"{m[1]}<uuid>", text)
        text = OPTION_LIST.sub("<option list>\n", text)
        text = re.sub(r"^Usage: kcli .*", "<help text>\n", text, flags=re.MULTILINE | re.DOTALL)
        return re.sub(r"^\tat .*\n|^\t?\.\.\. \d+ more\n", "", text, flags=re.MULTILINE)


def play(steps: Sequence[Step], place: Place, run: Run) -> Iterator[tuple[Step, Printed | None]]:
    """Do each step; yield it with what its call printed, normalised (None for a step that is no call)."""
    for step in steps:
        if step.kind == "file":
            (place.work / step.words).write_bytes(step.stdin)
        elif step.kind == "sh":
            subprocess.run(step.words, shell=True, cwd=place.work, check=True)
        else:
            tool, *args = place.arguments(step.words)
            try:
                done = run(tool, args, step.stdin)
            except subprocess.TimeoutExpired as e:
                yield step, Printed(_decode(place, e.stdout), _decode(place, e.stderr), "timeout")
                continue
            yield step, Printed(_decode(place, done.stdout), _decode(place, done.stderr), done.returncode)
            continue
        yield step, None


def _decode(place: Place, raw: bytes | None) -> str:
    text = (raw or b"").decode(errors="backslashreplace")
    return place.normal(text if not text or text.endswith("\n") else text + "\n")


def message_lines(printed: Printed) -> list[str]:
    """What Kafka said on standard error, as lines that kcli has to say too: messages without Java around them."""
    said: list[str] = []
    told = printed.out
    in_log = False
    for line in printed.err.splitlines():
        if in_log or LOG_LINE.match(line):
            in_log = not LOG_TAIL.search(line)
            continue
        while found := EXCEPTION.match(line):  # one may hold another
            line = found[1] or ""
        if (
            line.strip()
            and line not in told
            and not line.startswith((JAVA_NOTICE, "<option list>", "<help text>", "SLF4J:"))
        ):
            said.append(line)
            told += line
    return said


def complaints(step: Step, got: Printed) -> list[str]:
    """What is wrong with kcli's output; empty where it is as it has to be."""
    if step.ours:
        return [] if got == step.ours else ["differs from the kcli part"]
    assert step.kafka, f"nothing is recorded for {step.words}"
    wrong = []
    if got.out != step.kafka.out:
        wrong.append("standard output differs from Kafka's")
    expected, said = message_lines(step.kafka), got.err.splitlines()
    if said[: len(expected)] != expected or len(said) > len(expected) + ADVICE_LINES:
        wrong.append(f"standard error has to begin with {expected}")
    if got.exit != step.kafka.exit:
        wrong.append("the exit code differs from Kafka's")
    return wrong


def rewritten(step: Step, got: Printed | None) -> Step:
    """This step with kcli's part as it was printed now, or without one where kcli is as Kafka is."""
    if got is None:
        return step
    plain = replace(step, ours=None)
    return plain if not complaints(plain, got) else replace(step, ours=got)
