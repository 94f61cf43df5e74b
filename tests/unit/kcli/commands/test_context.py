"""kcli context: its data keeps to the schema, and what it writes is what commands connect to."""

import json
from pathlib import Path

import jsonschema
import pytest

from kcli import options
from tests.support.world import run

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/context.schema.json").read_text())


@pytest.mark.parametrize("line", ["list", "set a --bootstrap-server x:1", "use here", "delete here"])
def test_data_keeps_to_its_schema(line: str, tmp_path: Path) -> None:
    run(["context", "set", "here", "--bootstrap-server", "h:1"], None, tmp_path)
    out, err, code = run(["context", *line.split(), "--output", "json"], None, tmp_path)
    assert (err, code) == ("", 0)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))


def test_commands_connect_to_the_current_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(["context", "set", "here", "--bootstrap-server", "h:1"], None, tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("KCLI_BOOTSTRAP_SERVER", raising=False)
    assert options.connect_to(None, None).bootstrap == (("h", 1),)
