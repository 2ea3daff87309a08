import pytest
import torch
from tests.explainers.nets import Placed, Pooled, Series, Unet, Vit, convnet, drawn
from torch import Tensor, nn

from neocog.errors import ModelError, ShapeMismatch, UsageError
from neocog.explainers.grad_cam import METHODS, as_input, grad_cam, resize_map

X = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)


def test_G4_a_hand_computed_map() -> None:
    """α = weights / 4 places; A = (2x, -x): x/2 - 3x/4 for output 0, x/2 for output 1."""
    net = Pooled()
    cam = grad_cam(net, X, layer="conv", target=0)
    assert torch.equal(cam.maps[0], -X[0, 0] / 4)
    assert cam.values.tolist() == [5 + 5 - 7.5]
    assert torch.equal(grad_cam(net, X, layer="conv", target=1).maps[0], X[0, 0] / 2)


def test_the_positive_part_is_what_the_paper_shows() -> None:
    cam = grad_cam(Pooled(), X, layer="conv", target=0)
    assert float(cam.maps.max()) < 0
    assert torch.equal(cam.positive, torch.zeros(1, 2, 2))


def test_an_activation_in_place_behind_the_layer() -> None:
    """Of (2x, 0) after the ReLU: x/2 · 1 and nothing; before it the gradient of -x is cut off."""
    net = Pooled(relu=True)
    assert torch.equal(grad_cam(net, X, layer="act", target=0).maps[0], X[0, 0] / 2)
    before = grad_cam(net, X, layer="conv", target=0)
    assert torch.equal(before.maps[0], X[0, 0] / 2)
    assert torch.equal(grad_cam(net, -X, layer="conv", target=0).maps[0], 3 * X[0, 0] / 4)


def test_G4_each_relative_answers_its_own_question() -> None:
    """Positions count 1, 0, 0, -1: their mean is nothing, their sum by element is not."""
    net = Placed()
    found = {m: grad_cam(net, X, layer="conv", target=0, method=m).maps[0] for m in METHODS}
    assert torch.equal(found["grad_cam"], torch.zeros(2, 2))
    assert torch.equal(found["hires_cam"], torch.tensor([[1.0, 0.0], [0.0, -4.0]]))
    assert torch.equal(found["layer_cam"], torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    # The direction of one channel is that channel, less its mean.
    torch.testing.assert_close(found["eigen_cam"], X[0, 0] - 2.5)


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam"])
def test_the_map_sums_up_to_the_logit_less_its_bias(method: str) -> None:
    torch.manual_seed(1)
    net, x = convnet().eval(), drawn(3, 3, 12, 12)
    cam = grad_cam(net, x, layer="5", target=[0, 3, 2], method=method)
    want = net(x)[range(3), [0, 3, 2]] - net[9].bias[[0, 3, 2]]
    torch.testing.assert_close(cam.maps.sum((1, 2)), want.detach())


def test_equal_to_plain_lines() -> None:
    net, x = convnet().eval(), drawn(4, 3, 16, 16)
    a = net[:5](x).detach().requires_grad_()
    net[5:](a * 1).amax(1).sum().backward()
    assert a.grad is not None
    want = (a.grad.mean((2, 3), keepdim=True) * a).sum(1).detach()
    # Other sums by other kernels: float32 rounding.
    torch.testing.assert_close(grad_cam(net, x, layer="4").maps, want)


def test_classes_for_all_one_each_or_what_the_model_says() -> None:
    net, x = convnet(), drawn(3, 3, 8, 8)
    said = net.eval()(x).argmax(1).tolist()
    assert grad_cam(net, x).targets == tuple(said)
    assert grad_cam(net, x, target=2).targets == (2, 2, 2)
    each = grad_cam(net, x, target=torch.tensor([1, 0, 3]))
    assert each.targets == (1, 0, 3)
    for i, c in enumerate(each.targets):
        one = grad_cam(net, x[i : i + 1], target=c, layer=each.layer)
        torch.testing.assert_close(one.maps[0], each.maps[i])


def test_a_function_of_the_answer() -> None:
    net, x = convnet(), drawn(2, 3, 8, 8)
    both = grad_cam(net, x, layer="5", target=lambda out: out[:, 1] - out[:, 2])
    one, two = (grad_cam(net, x, layer="5", target=k) for k in (1, 2))
    torch.testing.assert_close(both.maps, one.maps - two.maps)
    assert both.targets == (None, None)
    with pytest.raises(ShapeMismatch, match=r"one value per image, \(2,\); got \(2, 4\)"):
        grad_cam(net, x, layer="5", target=lambda out: out)


def test_a_regressor() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 1))
    x = drawn(2, 1, 8, 8)
    cam = grad_cam(net, x, method="hires_cam")
    assert cam.layer == "1"
    torch.testing.assert_close(cam.maps.sum((1, 2)), (net(x)[:, 0] - net[3].bias).detach())
    flat = nn.Sequential(*net, nn.Flatten(0))  # (B,)
    assert torch.equal(grad_cam(flat, x, layer="1", method="hires_cam").maps, cam.maps)


def test_a_segmenter_is_asked_where_it_sees_the_class() -> None:
    net, x = Unet(), drawn(2, 1, 16, 16)
    answer = net(x).detach()
    cam = grad_cam(net, x, target=1)
    assert cam.layer == "bottom"
    where = answer.argmax(1) == 1
    where[~where.flatten(1).any(1)] = True
    want = torch.stack([answer[i, 1][where[i]].mean() for i in range(2)])
    torch.testing.assert_close(cam.values, want)
    most = grad_cam(net, x).targets
    counts = [answer[i].argmax(0).flatten().bincount(minlength=3) for i in range(2)]
    assert most == tuple(int(c.argmax()) for c in counts)


@pytest.mark.parametrize("token", [True, False])
def test_a_transformer_with_a_patch_grid(token: bool) -> None:
    net, x = Vit(token=token).eval(), drawn(2, 3, 16, 16)
    cam = grad_cam(net, x, target=2, method="hires_cam")
    assert cam.grid == (4, 4)
    assert cam.layer == ("blocks.1.norm1" if token else "norm")
    assert ("class token" in cam.layer_reason) is token
    if not token:  # the mean of the norm's tokens goes through one linear layer
        want = (net(x)[:, 2] - net.head.bias[2]).detach()
        torch.testing.assert_close(cam.maps.sum((1, 2)), want)
    named = grad_cam(net, x, target=2, layer="blocks.0")
    assert named.grid == (4, 4)


def test_series() -> None:
    net, x = Series(), drawn(3, 2, 40)
    cam = grad_cam(net, x, target=1)
    assert cam.layer == "body"
    assert cam.maps.shape == (3, 20)
    assert cam.stride == (2.0,)
    assert cam.enlarged().shape == (3, 40)
    want = (net.eval()(x)[:, 1] - net.head.bias[1]).detach()
    torch.testing.assert_close(cam.maps.sum(1), want)


def test_a_layer_that_runs_several_times_counts_by_its_last_call_on_the_way() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1, bias=False)
            nn.init.constant_(self.conv.weight, 2.0)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(self.conv(x))
            self.conv(x)  # leads nowhere
            return y.mean((2, 3))

    cam = grad_cam(Twice(), X, layer="conv", target=0)
    assert torch.equal(cam.maps[0], 4 * X[0, 0] / 4)


def test_one_forward_and_one_short_backward() -> None:
    net, x = convnet(), drawn(2, 3, 8, 8)
    calls = []
    net[0].register_forward_hook(lambda m, a, out: calls.append(out.requires_grad))
    net[9].register_forward_hook(lambda m, a, out: calls.append(out.requires_grad))
    grad_cam(net, x, layer="5")
    assert calls == [False, True]  # recorded from the layer on


def test_float64_and_half_weights() -> None:
    net, x = convnet().double(), drawn(2, 3, 8, 8)
    assert grad_cam(net, x).maps.dtype == torch.float64
    assert grad_cam(convnet().bfloat16(), x).maps.dtype == torch.float32


def test_resizing_is_linear_between_the_middles_of_cells() -> None:
    x = torch.arange(4.0).view(1, 2, 2)
    big = resize_map(x, (4, 4))
    assert big[0, 0].tolist() == [0, 0.25, 0.75, 1]
    assert torch.equal(resize_map(x, (2, 2)), x)


def test_what_cannot_be_explained_says_so() -> None:
    net, x = convnet(), drawn(2, 3, 8, 8)
    with pytest.raises(
        UsageError, match=r"`gradcam` is not an attribution method. Did you mean `grad_cam`"
    ):
        grad_cam(net, x, method="gradcam")
    with pytest.raises(ModelError, match="`layer4` is none"):
        grad_cam(net, x, layer="layer4")
    with pytest.raises(ModelError, match=r"still has rows and columns; that of `9` has the shape"):
        grad_cam(net, x, layer="9")
    with pytest.raises(UsageError, match="a number from 0 to 3, one per output; got 4"):
        grad_cam(net, x, target=4)
    with pytest.raises(UsageError, match="got 3 classes for 2"):
        grad_cam(net, x, target=[0, 1, 2])
    with pytest.raises(UsageError, match="an integer, or one per image"):
        grad_cam(net, x, target=1.5)  # type: ignore[arg-type]
    with pytest.raises(ShapeMismatch, match=r"Add the batch axis"):
        grad_cam(net, x[0, 0])
    with pytest.raises(ShapeMismatch, match=r"one at least; got \(0, 3, 8, 8\). Give one"):
        grad_cam(net, x[:0])
    with pytest.raises(ModelError, match="has none, or computes without gradients"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), x)


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.beside = nn.Conv2d(3, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.beside(x)
        return self.conv(x).mean((2, 3)).detach()


class Unused(Detached):
    def forward(self, x: Tensor) -> Tensor:
        self.beside(x)
        return self.conv(x).mean((2, 3))


class Silent(Unused):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3))


def test_answers_without_a_way_back_say_so() -> None:
    x = drawn(1, 3, 8, 8)
    with pytest.raises(ModelError, match="it is truncated on the way"):
        grad_cam(Detached(), x)
    with pytest.raises(ModelError, match="no gradient reaches `beside`"):
        grad_cam(Unused(), x, layer="beside")
    with pytest.raises(ModelError, match="`beside` did not run"):
        grad_cam(Silent(), x, layer="beside")
    assert grad_cam(Unused(), x).layer == "conv"


def test_the_input_is_not_written_to() -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x.sub_(0.5)).mean((2, 3))

    x = drawn(1, 1, 4, 4)
    kept = x.clone()
    grad_cam(InPlace(), as_input(InPlace(), x.clone()))
    grad_cam(InPlace(), x)
    assert torch.equal(x, kept)


def test_inference_mode_around_and_inside() -> None:
    net, x = convnet().eval(), drawn(2, 3, 8, 8)
    want = grad_cam(net, x)
    with torch.inference_mode():
        inside = grad_cam(net, x * 1)
    torch.testing.assert_close(inside.maps, want.maps)
    with torch.inference_mode():
        made = convnet().eval()
    assert grad_cam(made, x).maps.shape == want.maps.shape


@pytest.mark.parametrize("target", [None, 1, [0, 1, 2, 3, 0], lambda out: out[:, 2]])
def test_many_images_go_through_in_several_batches(target, monkeypatch) -> None:
    net, x = convnet().eval(), drawn(5, 3, 8, 8)
    whole = grad_cam(net, x, target=target)
    monkeypatch.setattr("neocog.explainers.grad_cam.batch_for", lambda values: 2)
    sizes = []
    handle = net[4].register_forward_hook(lambda m, a, out: sizes.append(len(out)))
    parts = grad_cam(net, x, target=target)
    handle.remove()
    assert max(sizes) == 2
    assert parts.targets == whole.targets
    assert parts.layer_reason == whole.layer_reason
    # Batches of other sizes take other kernels: float32 rounding.
    torch.testing.assert_close(parts.maps, whole.maps, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(parts.values, whole.values, rtol=1e-4, atol=1e-6)
    assert parts.outputs.shape == whole.outputs.shape
    with pytest.raises(UsageError, match="got 6"):
        grad_cam(net, x, target=[0] * 6)
