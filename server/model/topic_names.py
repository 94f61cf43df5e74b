"""Which names a topic can have, and which two names cannot live side by side.

Metrics write `.` as `_`, so two names that differ in nothing else would count as one there.
"""

import re

from server.model.errors import ErrorCode, Rejected

MAX_LENGTH = 249
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)


def check(name: str) -> None:
    """Raises Rejected(INVALID_TOPIC_EXCEPTION), in Kafka's words."""
    complaint = None
    if not name:
        complaint = "the empty string is not allowed"
    elif name in (".", ".."):
        complaint = f"'{name}' is not allowed"
    elif len(name) > MAX_LENGTH:
        complaint = f"the length of '{name}' is longer than the max allowed length {MAX_LENGTH}"
    elif not _LEGAL.fullmatch(name):
        complaint = f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    if complaint:
        raise Rejected(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {complaint}")


def may_collide(name: str) -> bool:
    return "." in name or "_" in name


def folded(name: str) -> str:
    """Two names collide when these are equal."""
    return name.replace(".", "_")
