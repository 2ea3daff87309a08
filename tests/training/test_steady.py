import torch
from torch import nn

from neocog.training.steady import Guided, drawn_to, twice
from neocog.types import Batch


def test_the_gradient_is_that_of_the_written_out_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, requires_grad=True)
    target = torch.randn(6, 4, generator=generator)
    loss = nn.functional.cross_entropy(drawn_to(logits, target, 0.7), torch.arange(6) % 4)
    (found,) = torch.autograd.grad(loss, logits)
    plain = nn.functional.cross_entropy(logits, torch.arange(6) % 4)
    whole = plain + 0.35 * (logits - target).square().mean()
    (expected,) = torch.autograd.grad(whole, logits)
    assert loss == plain
    torch.testing.assert_close(found, expected)


def test_both_views_are_drawn_to_the_mean_of_the_guide() -> None:
    guide = nn.Linear(1, 1, bias=False)
    guide.weight.data.fill_(1.0)
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    x = torch.tensor([[1.0], [4.0], [3.0], [8.0]])  # the guide says 1 and 3 of one, 4 and 8 of two
    answers = Guided(model, guide, 1.0).train()(x)
    (gradient,) = torch.autograd.grad((0 * answers).sum(), model.weight)
    # -(2·1 + 6·4 + 2·3 + 6·8) / 4 values, over the deviation of 2 and 6
    assert abs(gradient.item() + 80 / 4 / 8**0.5) < 1e-5


def test_the_guide_is_no_part_of_it() -> None:
    model, guide = nn.Linear(2, 2), nn.Linear(2, 2).eval()
    guided = Guided(model.eval(), guide, 1.0)
    assert not guided.training
    assert set(guided.state_dict()) == {"model.weight", "model.bias"}
    guided.train()
    assert not guide.training
    guided.eval()
    x = torch.ones(3, 2)  # an odd number: in evaluation there are no pairs
    assert torch.equal(guided(x), model(x))


def test_twice_keeps_order_and_numbers() -> None:
    x = torch.arange(3.0).view(3, 1, 1, 1)
    (batch,) = twice(iter([Batch(x, torch.tensor([2, 0, 1]), torch.tensor([5, 6, 7]))]))
    assert batch.x.flatten().tolist() == [0, 1, 2, 0, 1, 2]
    assert batch.y.tolist() == [2, 0, 1, 2, 0, 1]
    assert batch.index.tolist() == [5, 6, 7, 5, 6, 7]
