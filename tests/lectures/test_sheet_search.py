import torch
from torch import nn

from neocog.lectures.sheet_search import sheet_search


def test_a_piece_of_the_sheet_is_found_by_every_way_that_is_no_raw_one(material):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 3)).eval()
    tiles = material.test.x[:16]
    found = sheet_search(material.sheet, tiles, net)
    assert found["raw"].scores.shape == (16, 4, 4)
    for way in ("normalized", "features"):
        assert found[way].best.tolist() == list(range(16))
        diagonal = found[way].scores.flatten(1).diagonal()
        torch.testing.assert_close(diagonal, torch.ones(16), atol=1e-5, rtol=0)


def test_a_template_is_found_beside_its_image(material):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.Linear(8, 3)).eval()
    moved = material.test.x[5:6].roll((1, -2), (2, 3))
    assert sheet_search(material.sheet, moved, net)["normalized"].best.tolist() == [5]
