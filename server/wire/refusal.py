"""The error response of any API: what a request that failed as a whole is answered.

Every response has room for an error code: at its top, or in each row. In the second case the rows of the request are
echoed, with the fields that tell the client which row is which. This is read off the messages' schemas, so that an API
gets its error response by being in the table.
"""

from dataclasses import fields
from importlib import import_module
from typing import Any

from server.model.errors import ErrorCode
from server.wire.messages.by_hand import ALL
from server.wire.schema import Rows

CODES, MESSAGE = ("error_code", "partition_error_code"), "error_message"
# One thing under several names; and what a row of a request is called when it is no struct.
ALIASES = {"topic": "name", "partition": "index", "partition_index": "index"}
KEYS = {"name", "index", "topic_id", "group_id", "resource_type", "resource_name"}
BARE = {"[]string": "name", "[]int32": "index"}


def refusal(key: int, version: int, request: Any, code: ErrorCode, message: str | None) -> Any | None:
    """The response to `request` that says `code`; None when this version's response has no room for it."""
    module = import_module(f"server.wire.messages.{ALL[key][0]}")
    schema: Rows = module.SCHEMA
    name = f"{ALL[key][1]}Response"
    response = getattr(module, name)()
    if (field := _code(schema, name, version)) is not None:
        _say(response, field, code, message)
        return response
    rows = _coded_rows(schema, name, version)
    if rows is None:
        return None
    array, struct = rows
    wanted = _request_rows(schema, f"{ALL[key][1]}Request", version, request)
    setattr(response, array, [_echo(module, struct, version, row, code, message) for row in wanted])
    return response


def _echo(module: Any, struct: str, version: int, row: dict[str, Any], code: ErrorCode, message: str | None) -> Any:
    answer = getattr(module, struct)()
    for field in fields(answer):
        alias = ALIASES.get(field.name, field.name)
        if alias in KEYS and alias in row:
            setattr(answer, field.name, row[alias])
    if (coded := _code(module.SCHEMA, struct, version)) is not None:
        _say(answer, coded, code, message)
        return answer
    rows = _coded_rows(module.SCHEMA, struct, version)
    assert rows is not None
    setattr(answer, rows[0], [_echo(module, rows[1], version, r, code, message) for r in row["rows"]])
    return answer


def _say(answer: Any, field: str, code: ErrorCode, message: str | None) -> None:
    setattr(answer, field, int(code))
    if message is not None and hasattr(answer, MESSAGE):
        answer.error_message = message


def _request_rows(schema: Rows, struct: str, version: int, message: Any) -> list[dict[str, Any]]:
    """The rows of a request (or of one of its rows), as plain dicts; rows of a row are under "rows"."""
    told: list[dict[str, Any]] = []
    for field, type_, first, last, *_ in schema[struct]:
        if not first <= version <= last or not type_.startswith("[]"):
            continue
        inner = type_.removeprefix("[]")
        for each in getattr(message, field) or ():
            if inner in schema:
                scalars = {ALIASES.get(f.name, f.name): getattr(each, f.name) for f in fields(each)}
                told.append(scalars | {"rows": _request_rows(schema, inner, version, each)})
            elif type_ in BARE:
                told.append({BARE[type_]: each, "rows": []})
    return told


def _code(schema: Rows, struct: str, version: int) -> str | None:
    """The field of this struct that holds an error code."""
    served = (name for name, _, first, last, *_ in schema[struct] if first <= version <= last)
    return next((name for name in served if name in CODES), None)


def _coded_rows(schema: Rows, struct: str, version: int) -> tuple[str, str] | None:
    """The array of this struct whose rows, or whose rows' rows, have room for an error code."""
    for field, type_, first, last, *_ in schema[struct]:
        inner = type_.removeprefix("[]")
        if not type_.startswith("[]") or inner not in schema or not first <= version <= last:
            continue
        if _code(schema, inner, version) is not None or _coded_rows(schema, inner, version) is not None:
            return field, inner
    return None
