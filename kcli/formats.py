"""The one door to the server's pure formats: the table of settings (and segments, batches, meta.properties).

Everything is imported where it is used: a command pays only for what it asks. Refusals come out as Failure.
"""

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


def _near(name: str, known: list[str]) -> str | None:
    import difflib  # only for a mistake

    near = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {near[0]}?" if near else None
