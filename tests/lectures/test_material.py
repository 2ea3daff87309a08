import gc
import weakref

import torch

import neocog.lectures.material as module
from neocog.lectures import building_blocks
from neocog.lectures.material import Material, ShortTraining, accuracy_of, train_network


def test_parts_do_not_overlap_and_are_the_same_again(material):
    again = Material()
    assert torch.equal(material.test.x, again.test.x)
    assert len(material.test.y) == 500
    assert len(material.train.y) == 2000
    train = {t.numpy().tobytes() for t in material.train.x}
    assert not train & {t.numpy().tobytes() for t in material.test.x}
    assert material.sheet.shape == (1, 112, 112)
    torch.testing.assert_close(material.sheet[:, 28:56, 56:84], material.test.x[6])


def test_a_training_learns_and_is_repeated_to_the_bit(material):
    nets = [material.build("dense", {"hidden": (16,)}) for _ in range(2)]
    before = accuracy_of(nets[0], material.test.x, material.test.y)
    for net in nets:
        train_network(net, material.train, ShortTraining(steps=60))
    assert accuracy_of(nets[0], material.test.x, material.test.y) > before + 0.3
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_networks_and_norms_live_as_long_as_their_material(monkeypatch):
    calls = []
    monkeypatch.setattr(module, "train_network", lambda net, *_: calls.append("net") or net)
    monkeypatch.setattr(
        building_blocks, "gradient_norms", lambda *_, **__: calls.append("norms") or {}
    )
    own = Material()
    for _ in range(2):
        own.trained("dense", {"hidden": (4,)})
        building_blocks._depth_norms(own)
    assert calls == ["net", "norms"]
    alive = weakref.ref(own)
    del own
    gc.collect()
    assert alive() is None
