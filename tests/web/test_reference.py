"""What is kept of unshifted images."""

from neocog.web.reference import Reference, References
from neocog.web.session import Session


def test_each_model_keeps_its_newest_image(two: Session) -> None:
    kept, made = References(limit=1), []

    def make(model: int, id: str) -> Reference:
        made.append((model, id))
        return Reference(two.networks[model], two.album.values(id, model))

    for id in ("test:0", "test:1", "test:1"):
        for model in (0, 1):
            kept.get((model, id), lambda model=model, id=id: make(model, id))
    assert made == [(0, "test:0"), (1, "test:0"), (0, "test:1"), (1, "test:1")]
