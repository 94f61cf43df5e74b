"""Documents that users hand us are read by schema, and refused with every place that is wrong."""

from pathlib import Path

import pytest

from kcli import documents
from kcli.errors import Setup

SCHEMA = "output/topics"  # any will do


def test_a_document_that_keeps_to_its_schema_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"deleted": ["a"], "dryRun": true}')
    assert documents.load(str(path), SCHEMA) == {"deleted": ["a"], "dryRun": True}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"{", "x is not JSON: Expecting"),
        (b"\xff", "x is not JSON: "),
        (b"[]", "x is not what it should be\nthe document: "),
        (b'{"topics": [{"topic": 5}]}', "x is not what it should be\n"),
    ],
)
def test_a_document_that_does_not_is_refused(text: bytes, complaint: str) -> None:
    with pytest.raises(Setup) as refused:
        documents.parse(text, SCHEMA, "x")
    assert refused.value.message.startswith(complaint)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(Setup, match=r"Unable to read file no\.json"):
        documents.load("no.json", SCHEMA)
