import torch

from neocog.symmetry.jitter import jitter, jitter_moves


def test_movements_are_small_and_gradients_flow_through_them() -> None:
    x = torch.zeros(3, 1, 20, 20)
    x[:, 0, 10, 10] = 1.0
    moves = torch.tensor([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 0]])
    moved = jitter(x, moves, shift=0.1, turn=10, zoom=0.1)
    assert [int(m.argmax()) for m in moved[:, 0]] == [12 * 20 + 10, 10 * 20 + 8, 10 * 20 + 10]
    assert torch.equal(jitter_moves(5, 3), jitter_moves(5, 3))
    assert jitter_moves(1000, 0).abs().max() <= 1
    y = torch.rand(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda v: jitter(v, torch.tensor([[0.5, -0.3, 1.0, 0.7]]), shift=0.2, turn=9, zoom=0.1), y
    )
