"""The nearest images of the one on show."""

from neocog.web.session import Session


def test_nearest_images_are_those_of_other_images_with_their_labels(ask, session: Session) -> None:
    own = session.label(session.networks[0], "test:7")
    got = ask("/api/neighbors?id=test:7").json()
    assert len(got["neighbors"]) == 8
    assert "test:7" not in [n["image"] for n in got["neighbors"]]
    scores = [n["similarity"] for n in got["neighbors"]]
    assert scores == sorted(scores, reverse=True)
    for one in got["neighbors"]:
        label = session.label(session.networks[0], one["image"])
        assert (one["label"], one["other"]) == (label["name"], label["index"] != own["index"])
    assert ask("/api/neighbors?id=test:100000").status_code == 404
