"""The one door to the server's pure formats: the table of settings; `features`; `storage` (files of a log directory).

The server is imported where it is used: a command pays only for what it asks. Refusals come out as Failure.
"""

import base64
import os
from collections.abc import Mapping

from kcli.errors import Failure


def check_topic_configs(configs: Mapping[str, str]) -> None:
    """Check the settings of a new topic as Kafka's tool does before it asks a broker. Raises Failure in its words."""
    from server.model.errors import Rejected
    from server.model.settings import topic

    try:
        topic.check(dict(configs))
    except Rejected as refused:
        unknown = next((name for name in configs if name not in topic.TOPIC), None)
        advice = _near(unknown, list(topic.TOPIC)) if unknown else None
        raise Failure(refused.message or refused.code.name, advice) from refused


def new_id() -> str:
    """Draw an id of a cluster or directory in Kafka's form: 22 characters, none of the reserved ones, no `-` first."""
    while True:
        raw = bytearray(os.urandom(16))
        raw[6] = raw[6] & 0x0F | 0x40  # a random (version 4) UUID of RFC 9562; never one of the low, reserved ones
        raw[8] = raw[8] & 0x3F | 0x80
        text = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        if not text.startswith("-"):  # a command line would take it for an option
            return text


def id_trouble(text: str) -> str | None:
    """Why `text` is no id of a directory or topic, in Kafka's words; None if it is one."""
    from server.model.ids import uuid_of

    try:
        uuid_of(text)
    except ValueError as error:
        return str(error)
    return None


def _near(name: str, known: list[str]) -> str | None:
    import difflib  # only for a mistake

    near = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {near[0]}?" if near else None
