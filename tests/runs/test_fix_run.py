"""Networks of ours, built again with other samplers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.runs.untrained import trained
from torch import nn

from neocog.errors import ModelError
from neocog.runs.convert import convert
from neocog.runs.fix_run import FinetuneOptions, recipe_of
from neocog.runs.load import load


def test_a_program_of_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    file = tmp_path / "two.pt2"
    torch.export.save(torch.export.export(network, (torch.rand(2, 1, 32, 32),)), file)
    model = load(file, mean=(0.5,), std=(0.5,))
    with pytest.raises(ModelError, match=r"a fixed batch size of 2.*dynamic batch"):
        convert(model, downsampling="blur", padding="keep")
    assert convert(trained("stride"), downsampling="blur", padding="keep").replaced


def test_data_in_the_current_folder_is_not_taken_for_what_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / kind / name).mkdir(parents=True)
            for i in range(4):
                gray = np.random.default_rng(i + 9 * (name == "a") + 99 * (kind == "test"))
                image = gray.integers(0, 255, (32, 32)).astype(np.uint8)
                Image.fromarray(image).save(tmp_path / kind / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    notes = trained("stride").samples(".").notes
    assert notes == ("Data: split test, 8 of 16 samples.",)


def test_a_pretrained_network_without_a_run_is_built_again_too() -> None:
    with pytest.warns(UserWarning, match="are those of ImageNet"):
        model = load("efficientnet_lite1", size=(3, 64, 64))
    mended = convert(model, downsampling="polyphase", padding="circular")
    before = model.module.network.state_dict()
    after = mended.model.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[k], before[k]) for k in before)
    recipe = recipe_of(model, mended, FinetuneOptions(), path="here", fingerprint="")
    assert recipe.model.name == "efficientnet_lite1"
    assert recipe.data.resize_mode == "crop-bicubic"
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        still, moved = (mended.model(y).double() for y in (x, x.roll((3, 5), (2, 3))))
    # Exactly shift-invariant: float32 rounding through 60 layers.
    assert float((still - moved).abs().max() / still.abs().max()) < 1e-4
