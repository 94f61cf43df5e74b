"""Make golden records: play calls with Apache Kafka's tools against its broker, and write what they printed."""

from dataclasses import replace
from pathlib import Path

from tests.support import kafka, records
from tests.support.places import place_for

RECORDS = Path(__file__).parent.parent / "golden" / "records"
CALL_S = 60


def names() -> list[str]:
    return sorted(path.stem for path in RECORDS.glob("*.record"))


def record(name: str) -> int:
    """Write RECORDS/NAME.record anew. Returns how many calls it holds."""
    path = RECORDS / f"{name}.record"
    text = path.read_text()
    told = []
    with place_for(text, kafka.KafkaBroker) as place:
        for step, printed in records.play(
            records.parse(text),
            place,
            lambda tool, args, stdin: kafka.tool(tool, *args, stdin=stdin, cwd=place.work, seconds=CALL_S),
        ):
            told.append(replace(step, kafka=printed))
    path.write_text(records.write(told))
    return sum(step.kafka is not None for step in told)
