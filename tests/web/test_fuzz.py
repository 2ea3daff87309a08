"""Whatever is asked, the explorer answers with a sentence or refuses, and goes on."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neocog.web import share

PATHS = (
    "about",
    "graph",
    "images",
    "image",
    "filters",
    "top-activations",
    "neighbors",
    "audit",
    "step",
    "unit",
)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["test:0", "test:999", "own:0", "first:8", "strongest:99", "zero", "", "0"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)

words = st.sampled_from(
    [
        "model",
        "image",
        "motion",
        "maps",
        "node",
        "channels",
        "cam",
        "target",
        "layer",
        "method",
        "errors",
        "top",
        "channel",
        "row",
        "col",
        "padding",
        "dx",
        "dy",
        "angle",
        "scale",
        "elastic",
        "amount",
        "seed",
        "full",
        "id",
        "split",
        "sort",
        "page",
        "per",
        "n",
        "unit",
        "both",
    ]
)

questions = st.dictionaries(words, anything, max_size=6) | st.fixed_dictionaries(
    {"image": st.just("test:0"), "node": st.integers(-2, 12)},
    optional={
        "channel": st.integers(-1, 40),
        "row": st.integers(-1, 40),
        "col": st.integers(-1, 40),
        "motion": st.dictionaries(
            st.sampled_from(["padding", "dx", "dy", "angle", "scale", "elastic"]),
            anything | st.floats(-30, 30),
        ),
        "maps": st.lists(st.dictionaries(st.sampled_from(["node", "channels"]), anything)),
        "cam": anything | st.just({}),
        "errors": anything,
    },
)

quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def is_fine(answer) -> None:
    assert answer.status_code in (200, 400, 403, 404, 405, 409, 413, 415), answer.text
    assert b"Traceback" not in answer.content
    if answer.status_code != 200:
        assert answer.json()["error"]


@quick
@given(path=st.sampled_from(("step", "unit")), body=questions)
def test_any_question(ask, path: str, body) -> None:
    is_fine(ask(f"/api/{path}", body, post=True))


@pytest.fixture(scope="module")
def short() -> Iterator[None]:
    """A page is saved in a fraction of a second, not in as many as a person waits for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(share, "SECONDS", 0.2)
        yield


@settings(quick, max_examples=6)
@given(body=questions)
def test_any_question_for_a_page_to_save(ask, short, body) -> None:
    is_fine(ask("/api/export", body, post=True))


@quick
@given(path=st.sampled_from(("step", "unit", "export", "image")), body=st.binary())
@pytest.mark.parametrize("kind", ["application/json", "image/png", "application/octet-stream"])
def test_any_bytes(ask, path: str, body: bytes, kind: str) -> None:
    is_fine(ask(f"/api/{path}", body, headers={"content-type": kind}, post=True))


@quick
@given(
    path=st.sampled_from([p for p in PATHS if p != "top-activations"]),
    query=st.dictionaries(words, st.text(max_size=12), max_size=4),
)
def test_any_query(ask, path: str, query) -> None:
    is_fine(ask(f"/api/{path}", params=query))


@quick
@given(path=st.text(max_size=40))
def test_any_path(ask, path: str) -> None:
    is_fine(ask("/static/" + quote(path, safe="/.%")))
    is_fine(ask("/" + quote("x" + path, safe="/.%")))


@settings(parent=quick, max_examples=12)
@given(node=st.integers(-2, 40), channel=st.integers(-2, 40) | st.text(max_size=3))
def test_any_wish_for_what_a_unit_likes(ask, brief, node: int, channel) -> None:
    is_fine(ask("/api/top-activations", params={"node": node, "channel": channel}))


@quick
@given(body=st.dictionaries(words, anything, max_size=3), n=anything)
def test_any_wish_for_an_audit(ask, body, n) -> None:
    if isinstance(n, (int, float)) and 1 <= n <= 200:
        n = -n  # one that would be made
    is_fine(ask("/api/audit", {**body, "n": str(n) if n is None else n}))


def test_the_server_still_answers_afterwards(ask) -> None:
    assert ask("/api/about").status_code == 200
    assert json.loads(ask("/api/graph").text)["nodes"]
