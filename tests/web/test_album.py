"""What a person brings: files, drawings."""

import pytest
from tests.web.conftest import small_model
from tests.web.frames import read
from tests.web.questions import png

from neocog.web.album import KEPT
from neocog.web.opening import opened
from neocog.web.refused import Missing
from neocog.web.session import Session


def test_a_person_brings_an_image(ask) -> None:
    sent = ask("/api/image", png(), headers={"content-type": "image/png"})
    assert sent.status_code == 200, sent.text
    got = sent.json()
    assert (got["width"], got["height"]) == (40, 30)
    found = read(ask("/api/step", {"image": got["id"]}).content)
    assert found["image"]["values"].min() == pytest.approx(1)
    assert found["prediction"]["label"] is None


def test_what_is_no_image_is_refused(ask) -> None:
    for body in (b"", b"<svg/>", png()[:60], b"\x89PNG\r\n\x1a\n" + b"0" * 50):
        answer = ask("/api/image", body, headers={"content-type": "image/png"}, post=True)
        assert answer.status_code in (400, 415), body
        assert "image" in answer.json()["error"]


def test_own_images_are_forgotten_in_their_order(session: Session) -> None:
    first, _, _ = session.album.bring(png(color="#010101"), session.networks)
    for k in range(64):
        session.album.bring(png((8 + k, 8)), session.networks)
    with pytest.raises(Missing, match="There is no such image"):
        session.album.values(first, 0)


def strokes(session: Session, count: int, page: str) -> list[str]:
    """The states of a drawing, as a page hands them over."""
    return [
        session.album.bring(png((8 + k, 8)), session.networks, page=page)[0] for k in range(count)
    ]


def test_a_drawing_never_throws_out_an_image_that_was_brought() -> None:
    session = opened(small_model(), None)
    mine, _, _ = session.album.bring(png(color="#010203"), session.networks)
    drawn = strokes(session, 3 * KEPT, "one page")
    assert session.album.values(mine, 0).shape == (1, 1, 28, 28)
    assert session.album.values(drawn[-1], 0) is not None
    with pytest.raises(Missing, match="There is no such image"):
        session.album.values(drawn[0], 0)


def test_pages_draw_beside_each_other() -> None:
    session = opened(small_model(), None)
    first = strokes(session, 2, "one page")
    strokes(session, KEPT, "another")
    assert session.album.values(first[-1], 0) is not None


def test_the_last_states_of_a_drawing_are_there_for_steps_on_their_way() -> None:
    session = opened(small_model(), None)
    drawn = strokes(session, 10, "one page")
    for id in drawn[-3:]:
        assert session.album.values(id, 0) is not None


def test_a_page_says_that_it_draws(ask, session: Session) -> None:
    said = {"headers": {"content-type": "image/png", "x-page": "drawing"}}
    ids = [ask("/api/image", png((8 + k, 9)), **said).json()["id"] for k in range(KEPT)]
    assert ask("/api/step", {"image": ids[-1]}).status_code == 200
    assert ask("/api/step", {"image": ids[0]}).status_code == 404
