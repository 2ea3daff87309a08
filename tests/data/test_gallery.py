"""Images of a data set, drawn."""

from __future__ import annotations

from neocog.data.gallery import gallery
from neocog.data.open import open_data


def test_gallery_shows_classes_and_copies(folder):
    root = folder(each=12)
    data = (root / "cat" / "000.png").read_bytes()
    (root / "dog" / "copy.png").write_bytes(data)
    source = open_data(root)
    section = gallery(source.splits, source.sheet)
    some, copies = section.exhibits
    assert some.captions == ["cat"] * 6 + ["dog"] * 6
    side = next(s for s, p in source.splits.items() if "dog/copy.png" in p.names[:])
    assert copies.captions == [f"✗ cat\nexact, {side}", f"✗ dog\nexact, {side}"]
    assert copies.together == 2
    assert (copies.images[0] == copies.images[1]).all()
