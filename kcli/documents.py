"""JSON files that users hand us: read, validated against schemas/, and made into plain values.

A file is refused as a whole, with every place that is wrong (the first ten), before anything is sent.
"""

import json
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from kcli.errors import Setup

MAX_COMPLAINTS = 10


def load(
    path: str,
    schema: str,
    *,
    empty: str | None = None,
    lacking: Mapping[str, str] = {},
    sound: Callable[[Any], bool] | None = None,
) -> Any:
    """Read the JSON file at `path`, which must keep to schemas/`schema`.schema.json. Raises Setup.

    empty, lacking, sound  as `parse` has them
    """
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise Setup(f"Unable to read file {path}", f"{error.strerror}.") from error
    return parse(text, schema, path, empty=empty, lacking=lacking, sound=sound)


def parse(
    text: bytes,
    schema: str,
    named: str,
    *,
    empty: str | None = None,
    lacking: Mapping[str, str] = {},
    sound: Callable[[Any], bool] | None = None,
) -> Any:
    """Read JSON text that keeps to a schema. Raises Setup.

    named    what the document is called in complaints
    empty    what Kafka says of text that is no JSON
    lacking  what Kafka says where a field of the outermost object is missing
    sound    tells quickly, and may miss, that a value keeps to the schema: a schema takes seconds for a large document
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        told = f"{named} is not JSON: {error}"
        raise (Setup(empty, told) if empty else Setup(told)) from error
    for field, words in lacking.items():
        if isinstance(value, dict) and field not in value:
            raise Setup(words, f'{named} has to be an object with the field "{field}".')
    if sound is not None and sound(value):
        return value
    import jsonschema  # takes 60 ms

    validator = jsonschema.Draft202012Validator(_schema(schema))
    complaints = [f"{_place(error.absolute_path)}: {error.message}" for error in validator.iter_errors(value)]
    if complaints:
        shown = complaints[:MAX_COMPLAINTS]
        more = len(complaints) - len(shown)
        raise Setup("\n".join([f"{named} is not what it should be", *shown, *([f"and {more} more"] if more else [])]))
    return value


def _schema(name: str) -> Any:
    return json.loads((resources.files("schemas") / f"{name}.schema.json").read_bytes())


def _place(path: Any) -> str:
    """Write a path as a person does: partitions[3].replicas"""
    told = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return told.removeprefix(".") or "the document"
