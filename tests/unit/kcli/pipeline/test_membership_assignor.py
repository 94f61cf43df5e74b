"""The range assignor: what Kafka's gives."""

import pytest

from kcli.pipeline.membership_assignor import Subscriber, assigned


def subscriber(text: str) -> Subscriber:
    """`id[@instance]: topic ...`"""
    name, _, topics = text.partition(":")
    member_id, _, instance = name.partition("@")
    return Subscriber(member_id, instance or None, tuple(topics.split()))


@pytest.mark.parametrize(
    ("members", "counts", "expected"),
    [
        (["a: t"], {"t": 2}, "a=t0,t1"),
        (["a: t", "b: t"], {"t": 3}, "a=t0,t1 b=t2"),
        (["b: t", "a: t"], {"t": 3}, "a=t0,t1 b=t2"),
        (["a: t u", "b: t u"], {"t": 3, "u": 3}, "a=t0,t1,u0,u1 b=t2,u2"),
        (["a: t", "b: u"], {"t": 2, "u": 1}, "a=t0,t1 b=u0"),
        (["a: t", "b: t"], {"t": 1}, "a=t0 b="),
        (["a: t"], {}, "a="),
        (["a:", "b: t"], {"t": 1}, "a= b=t0"),
        (["a: t", "z@1: t"], {"t": 1}, "a= z=t0"),
        (["a@2: t", "b@1: t"], {"t": 1}, "a= b=t0"),
    ],
)
def test_members_take_runs_of_each_topic(members: list[str], counts: dict[str, int], expected: str) -> None:
    found = assigned([subscriber(text) for text in members], counts)
    text = [f"{name}={','.join(f'{topic}{index}' for topic, index in keys)}" for name, keys in sorted(found.items())]
    assert " ".join(text) == expected
