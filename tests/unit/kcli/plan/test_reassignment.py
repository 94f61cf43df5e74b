"""Documents of reassignments: the quick check never passes what the schema refuses."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcli.model.moves import Directory, Plan, Stored, Target
from kcli.plan import reassignment

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/reassignment.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1 << 40, 1.0, 1.5, "", "a", [], [0], [-1], ["any"], [""], {}, {"partitions": []}]
)


def odd(fields: tuple[str, ...], usual: dict[str, Any]) -> st.SearchStrategy[Any]:
    """`usual` with some fields replaced by something odd, or gone."""
    changed = st.dictionaries(st.sampled_from(fields), ODD, max_size=2)
    gone = st.sets(st.sampled_from(fields), max_size=1)
    return st.builds(lambda new, less: {k: v for k, v in (usual | new).items() if k not in less}, changed, gone)


ROW = odd(
    ("topic", "partition", "replicas", "log_dirs"),
    {"topic": "a", "partition": 0, "replicas": [1, 2], "log_dirs": ["any", "/a"]},
)
ROWS = st.lists(st.one_of(ROW, ROW, ODD), max_size=2)
DOCUMENT = ROWS.flatmap(
    lambda rows: odd(
        ("version", "partitions", "cluster_id", "former"),
        {"version": 1, "partitions": rows, "cluster_id": "c", "former": {"version": 1, "partitions": rows[:1]}},
    )
)


@given(st.one_of(DOCUMENT, ODD))
def test_what_is_sound_keeps_to_the_schema(document: Any) -> None:
    assert not reassignment.sound(document) or VALIDATOR.is_valid(document)


TOPICS = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[4] / "schemas/topics-to-move.schema.json").read_text())
)
TOPIC_ROWS = st.lists(odd(("topic",), {"topic": "a"}) | ODD, max_size=2)


@given(TOPIC_ROWS.flatmap(lambda rows: odd(("version", "topics"), {"version": 1, "topics": rows})) | ODD)
def test_sound_topics_keep_to_their_schema(document: Any) -> None:
    assert not reassignment.sound_topics(document) or TOPICS.is_valid(document)


def test_topics_as_people_write_them_are_sound() -> None:
    assert reassignment.sound_topics({"version": 1, "topics": [{"topic": "orders"}]})


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"partitions": [{"topic": "a", "partition": 0, "replicas": [1]}]}',
        '{"version": 1, "partitions": [{"topic": "a", "partition": 0, "replicas": [1], "log_dirs": ["any"]}],'
        ' "cluster_id": "c", "former": {"version": 1, "partitions": []}, "other": 5}',
    ],
)
def test_what_people_write_is_sound(text: str) -> None:
    assert reassignment.sound(json.loads(text))


@pytest.mark.parametrize("partition", [-1, 1 << 31, True, 1.0, "0"])
def test_a_partition_that_is_none_is_not_sound(partition: object) -> None:
    assert not reassignment.sound({"partitions": [{"topic": "a", "partition": partition, "replicas": [1]}]})


@pytest.mark.parametrize(("now", "changes"), [((1, 2), 0), ((2, 1), 0), ((3, 4), 0), ((1, 3), 1)])
def test_a_plan_is_stale_where_replicas_are_neither_as_they_were_nor_as_wanted(
    now: tuple[int, ...], changes: int
) -> None:
    plan = Plan((Target("a", 0, (3, 4)),), "c", {("a", 0): (1, 2)})
    assert len(reassignment.changed(plan, {("a", 0): now})) == changes


def test_a_directory_that_is_offline_holds_nothing() -> None:
    offline = Directory("/b", 56, (Stored("a", 0, 5, 0, False),))
    (found,) = reassignment.dir_statuses({("a", 0, 1): "/b"}, {1: (offline,)})
    assert found.state == "no directory"
