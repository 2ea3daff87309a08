import torch

from neocog.layers.subsampling import TrainableSubsampling, window_affine


def test_D2_trainable_subsampling_by_hand() -> None:
    layer = TrainableSubsampling(2, downsampling="stride", padding="zeros")
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([0.5, -1.0]))
        layer.bias.copy_(torch.tensor([1.0, 2.0]))
    x = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]]).expand(1, 2, 2, 4)
    # sums 1+2+5+6 = 14 and 3+4+7+8 = 22; times 0.5 plus 1; times -1 plus 2
    assert layer(x)[0].tolist() == [[[8, 12]], [[-12, -20]]]


def test_parameters_are_two_a_channel_and_start_as_in_the_paper() -> None:
    layer = TrainableSubsampling(400, downsampling="stride", padding="zeros")
    assert sum(p.numel() for p in layer.parameters()) == 800
    for p in layer.parameters():
        assert 0.5 < p.abs().max() <= 0.6  # ±2.4 / 4; the largest of 400 lies close to it


def test_window_affine_gradient() -> None:
    made = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((2, 3, 2, 2), 3, 3)]
    assert torch.autograd.gradcheck(lambda x, c, b: window_affine(x, c, b, 4), made)
