import pytest
import torch
from torch import nn

from neocog.tasks import distill
from neocog.tasks.classify import Classification
from neocog.tasks.distill import Distillation, Guide, twice
from neocog.tasks.task import Target
from neocog.types import Batch


def shown(guide: Guide, *index: int) -> None:
    """Hand a batch of these samples over."""
    several = torch.tensor([*index, *index])
    (_,) = guide.feed(iter([Batch(several, several, several)]))


class Labels:
    """Targets of a batch."""

    def __init__(self, y: torch.Tensor) -> None:
        self.y = y

    def target(self, classes: int) -> torch.Tensor:
        return self.y


class Nothing:
    """A task whose loss is 0 whatever comes."""

    paired = False

    def forward(self, model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = model(x)
        return out

    def loss(self, output: torch.Tensor, target: Target) -> torch.Tensor:
        return 0 * output.sum()


def gradient_of(
    model: nn.Linear, guide: Guide, weight: float, x: torch.Tensor, *, pair: float = 0.0
) -> torch.Tensor:
    """What the distillation alone adds to the gradient of the weights."""
    task = Distillation(task=Nothing(), guide=guide, weight=weight, consistency_weight=pair)
    loss = task.loss(task.forward(model, x), Labels(torch.zeros(len(x))))
    (gradient,) = torch.autograd.grad(loss, model.weight)
    return gradient


def test_the_gradient_is_that_of_the_written_out_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 4, generator=generator)
    model, teacher = nn.Linear(4, 4), nn.Linear(4, 4)
    guide, labels = Guide(teacher, 3), torch.arange(6) % 4
    shown(guide, 0, 1, 2)
    task = Distillation(task=Classification(), guide=guide, weight=0.7)
    loss = task.loss(task.forward(model, x), Labels(labels))
    (found,) = torch.autograd.grad(loss, model.weight)
    logits, of_teacher = model(x), teacher(x).detach()
    target = (of_teacher[:3] + of_teacher[3:]) / 2
    plain = nn.functional.cross_entropy(logits, labels)
    apart = (logits - torch.cat([target, target])).square().mean()
    (expected,) = torch.autograd.grad(plain + 0.35 * apart / target.std(), model.weight)
    assert loss == plain  # what is reported is the loss of the labels
    torch.testing.assert_close(found, expected)


def test_both_views_are_drawn_to_the_mean_of_the_guide() -> None:
    guide = nn.Linear(1, 1, bias=False)
    guide.weight.data.fill_(1.0)
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    x = torch.tensor([[1.0], [4.0], [3.0], [8.0]])  # the guide says 1 and 3 of one, 4 and 8 of two
    told = Guide(guide, 2)
    shown(told, 0, 1)
    gradient = gradient_of(model, told, 1.0, x)
    # -(2·1 + 6·4 + 2·3 + 6·8) / 4 values, over the deviation of 2 and 6
    assert abs(gradient.item() + 80 / 4 / 8**0.5) < 1e-5


def test_both_views_are_drawn_to_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 3, generator=generator)
    model, guide = nn.Linear(3, 4), nn.Linear(3, 4)
    memory = Guide(guide, 3)
    shown(memory, 0, 1, 2)
    found = gradient_of(model, memory, 2.0, x, pair=5.0)
    answers, told = model(x), guide(x).detach()
    target = (told[:3] + told[3:]) / 2
    twins = torch.cat([target, target])
    apart = answers[:3] - answers[3:]
    whole = 2.0 / 2 * (answers - twins).square().mean() + 5.0 / 2 * apart.square().mean()
    (expected,) = torch.autograd.grad(whole / target.std(), model.weight)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("consistency_weight", "expected"), [(0.0, 0.5), (0.5, 0.25), (2.0, 0.1)])
def test_what_is_learned_of_a_view_alone(consistency_weight: float, expected: float) -> None:
    """A sample is a number both views show and one of each view's own; the guide adds them up.

    Drawn to the mean of both views with weight 1, the model's best factor f of the view's own
    number makes (f - 1/2)² / 2 + consistency_weight · f² smallest, so
    f = 1/2 / (1 + 2 · consistency_weight).
    """
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(4000, 1, generator=generator)
    own = torch.randn(8000, 1, generator=generator)
    x = torch.cat([torch.cat([shared, shared]), own], 1)
    guide, model = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
    guide.weight.data.fill_(1.0)
    model.weight.data.fill_(1.0)
    told = Guide(guide, 4000)
    shown(told, *range(4000))
    for _ in range(200):
        model.weight.data -= 0.2 * gradient_of(model, told, 1.0, x, pair=consistency_weight)
    # 8,000 drawn numbers make the factors of a regression exact to 1/89 or so
    assert abs(model.weight[0, 0].item() - 1) < 0.04
    assert abs(model.weight[0, 1].item() - expected) < 0.04


def test_pairs_are_augmented_alike_where_they_are_pulled_together() -> None:
    guide = Guide(nn.Linear(2, 2), 3)
    kinds = [Distillation(task=Classification(), guide=guide, weight=1.0, consistency_weight=w)
             for w in (0.0, 2.0)]  # fmt: skip
    assert [kind.paired for kind in kinds] == [False, True]


class Counting(nn.Module):
    """Answers with its input, and counts what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.asked += len(x)
        return x


def test_the_mean_of_all_views_so_far() -> None:
    generator = torch.Generator().manual_seed(0)
    views = torch.randn(6, 2, 3, 4, generator=generator)  # pass, view, sample, class
    model = Counting()
    guide = Guide(model, 3)
    for n, epoch in enumerate(views, start=1):
        order = torch.randperm(3, generator=generator)
        for part in order.split(2):  # two samples, then one
            shown(guide, *part.tolist())
            found = guide(torch.cat([epoch[0, part], epoch[1, part]]))
            known = min(n, distill.VIEWS // 2)
            torch.testing.assert_close(found, views[:known, :, part].mean((0, 1)))
    assert model.asked == distill.VIEWS * 3  # and nothing in the last two passes


def test_only_samples_that_were_left_out_are_asked_for() -> None:
    model = Counting()
    guide = Guide(model, 2)
    for n in range(distill.VIEWS // 2):
        shown(guide, 0)
        assert guide(torch.tensor([[1.0, 0.0], [3.0, 0.0]])).tolist() == [[2.0, 0.0]], n
    shown(guide, 0, 1)
    found = guide(torch.tensor([[9.0, 9.0], [5.0, 1.0], [9.0, 9.0], [7.0, 2.0]]))
    assert found.tolist() == [[2.0, 0.0], [6.0, 1.5]]
    assert model.asked == distill.VIEWS + 2


def test_what_is_too_much_to_remember_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distill, "ROOM", 3)
    guide = Guide(Counting(), 2)
    for value in (1.0, 5.0):
        shown(guide, 1)
        assert guide(torch.full((2, 2), value)).tolist() == [[value, value]]


def test_twice_keeps_order_and_numbers() -> None:
    x = torch.arange(3.0).view(3, 1, 1, 1)
    (batch,) = twice(iter([Batch(x, torch.tensor([2, 0, 1]), torch.tensor([5, 6, 7]))]))
    assert batch.x.flatten().tolist() == [0, 1, 2, 0, 1, 2]
    assert batch.y.tolist() == [2, 0, 1, 2, 0, 1]
    assert batch.index.tolist() == [5, 6, 7, 5, 6, 7]
