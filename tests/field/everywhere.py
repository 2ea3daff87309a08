"""Operations that see the whole map, between convolutions with strides; and brute force."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

C = 4


class Squeeze(nn.Module):
    """A gate made from the means of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(C, 2, 1), nn.Conv2d(2, C, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.up(F.silu(self.down(F.adaptive_avg_pool2d(x, 1)))).sigmoid()


class Efficient(nn.Module):
    """The same on one-dimensional channels (ECA), by a convolution along them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = x.mean((2, 3)).unsqueeze(1)
        return x * self.conv(y).sigmoid().view(len(x), C, 1, 1)


class Attention(nn.Module):
    """All positions by all positions."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.q, self.k, self.v = (nn.Conv2d(C, C, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = (m(x).flatten(2) for m in (self.q, self.k, self.v))
        if self.how == "fused":
            q, k, v = (t.transpose(1, 2).unsqueeze(1) for t in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2)
        elif self.how == "explicit":
            y = v @ (q.transpose(1, 2) @ k / 2).softmax(-1).transpose(1, 2)
        elif self.how == "einsum":
            scores = torch.einsum("bcn,bcm->bnm", q, k).softmax(-1)
            y = torch.einsum("bnm,bcm->bcn", scores, v)
        elif self.how == "non-local":
            y = (q.transpose(1, 2) @ k / (h * w)) @ v.transpose(1, 2)
            y = y.transpose(1, 2)
        elif self.how == "linear":
            y = (v @ k.softmax(-1).transpose(1, 2)) @ q.softmax(1)
        elif self.how == "channels":
            y = (q @ k.transpose(1, 2)).softmax(-1) @ v
        else:  # keys from a coarser map
            k, v = (F.avg_pool2d(m(x), 2).flatten(2) for m in (self.k, self.v))
            y = v @ (q.transpose(1, 2) @ k).softmax(-1).transpose(1, 2)
        return x + y.reshape(b, c, h, w)


class MultiHead(nn.Module):
    """The module of PyTorch on tokens."""

    def __init__(self, weights: bool) -> None:
        super().__init__()
        self.weights = weights
        self.norm = nn.LayerNorm(C)
        self.attention = nn.MultiheadAttention(C, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x.flatten(2).transpose(1, 2))
        y = self.attention(y, y, y, need_weights=self.weights)[0]
        return x + y.transpose(1, 2).reshape(x.shape)


class Token(nn.Module):
    """A token of its own beside those of the map, and off again."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.rand(1, 1, C))
        self.attention = nn.MultiheadAttention(C, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([self.token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
        y = self.attention(y, y, y, need_weights=False)[0][:, 1:]
        return x + y.transpose(1, 2).reshape(x.shape)


class Query(nn.Module):
    """A learned question to all positions; its answer goes to all."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, C))

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(2)
        scores = (self.query @ y).softmax(-1)
        return x + (scores @ y.transpose(1, 2)).view(-1, C, 1, 1)


class Spectrum(nn.Module):
    """Weights for every frequency."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.weight = nn.Parameter(torch.randn(C, 3, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        weight = torch.view_as_complex(self.weight)
        if self.how == "filter":
            y = torch.fft.rfft2(x, norm="ortho")
            size = torch.view_as_real(weight).permute(3, 0, 1, 2)
            both = F.interpolate(size, size=y.shape[2:], mode="bilinear").unbind(0)
            return torch.fft.irfft2(y * torch.complex(*both), s=(h, w), norm="ortho")
        if self.how == "two steps":
            y = torch.fft.fft(torch.fft.rfft(x, dim=3), dim=2)
            y = torch.fft.ifft(y * 2, dim=2)
            return x + torch.fft.irfft(y, n=w, dim=3)
        y = torch.fft.rfft2(x)
        low = torch.zeros_like(y)
        low[:, :, :3, :3] = y[:, :, :3, :3] * weight
        low[:, :, -3:, :3] = y[:, :, -3:, :3] * weight
        return x + torch.fft.irfft2(low, s=(h, w))


class Response(nn.Module):
    """Norms of the channels over the map (GRN)."""

    def forward(self, x: Tensor) -> Tensor:
        g = x.norm(dim=(2, 3), keepdim=True)
        return x + x * (g / (g.mean(1, keepdim=True) + 1e-6))


class Moments(nn.Module):
    """Mean and standard deviation of the map; the largest too."""

    def forward(self, x: Tensor) -> Tensor:
        y = (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 0.1)
        return y + x.amax((2, 3), keepdim=True) + x.flatten(2).sort(-1)[0][..., :1, None].mean()


class Pooled(nn.Module):
    """A mean by one pool over everything, and back to all."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool2d(x, x.shape[2:]) + F.max_pool2d(x, x.shape[-1])
        return x * F.interpolate(y, size=x.shape[2:], mode="nearest")


class Conditioned(nn.Module):
    """Channels scaled by what a dense layer makes of the means; a convolution made of it too."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.kernels = nn.Linear(C, 2 * C), nn.Linear(C, C * C)

    def forward(self, x: Tensor) -> Tensor:
        y = x.mean(3).mean(2)
        scale, shift = self.dense(y)[..., None, None].chunk(2, 1)
        x = x * (1 + scale) + shift
        return x + F.conv2d(x, self.kernels(y)[0].view(C, C, 1, 1))


class Softmaxed(nn.Module):
    """Positions weighed against each other; a mean so weighed."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(2).softmax(-1)
        return x + y.view_as(x) + (x.flatten(2) * y).sum(-1)[..., None, None]


class Windowed(nn.Module):
    """Attention within windows of 4×4: a grid of 4."""

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(16, 16)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        y = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        scores = y @ y.transpose(1, 2)
        y = (scores if self.bias is None else scores + self.bias).softmax(-1) @ y
        y = y.view(b, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)
        return x + y


class FusedWindows(nn.Module):
    """The same by the module of PyTorch, heads and all, moved round the border and back."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(C, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        y = x.roll((-1, -1), (2, 3)).view(b, c, h // 4, 4, w // 4, 4)
        y = y.permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        y = self.attention(y, y, y, need_weights=False)[0]
        y = y.view(b, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)
        return x + y.roll((1, 1), (2, 3))


class Patches(nn.Module):
    """Space to depth by views, a dense layer on it, and back: a grid of 2."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4 * C, 4 * C)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        y = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, 4 * c)
        y = self.dense(y).view(b, h // 2, w // 2, c, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return x + y.reshape(b, c, h, w)


class Rolled(nn.Module):
    """Moved round the border by hand, in three ways."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([x[:, :, -1:], x[:, :, :-1]], 2)
        index = (torch.arange(x.shape[3]) + 3) % x.shape[3]
        return x + y * x.roll((1, 2), (2, 3)) + x[:, :, :, index]


EVERYWHERE: dict[str, Callable[[], nn.Module]] = {
    "group norm": lambda: nn.GroupNorm(2, C),
    "layer norm": lambda: nn.GroupNorm(1, C),
    "instance norm": lambda: nn.InstanceNorm2d(C),
    "local response": lambda: nn.LocalResponseNorm(3),
    "squeeze": Squeeze,
    "efficient": Efficient,
    **{
        f"attention, {how}": lambda how=how: Attention(how)
        for how in ("fused", "explicit", "einsum", "non-local", "linear", "channels")
    },
    "heads": lambda: MultiHead(False),
    "heads with weights": lambda: MultiHead(True),
    "token": Token,
    "query": Query,
    "filter": lambda: Spectrum("filter"),
    "fourier in two steps": lambda: Spectrum("two steps"),
    "low frequencies": lambda: Spectrum("low"),
    "response": Response,
    "moments": Moments,
    "pooled": Pooled,
    "conditioned": Conditioned,
    "softmax": Softmaxed,
    "rolled": Rolled,
}
"""None of them has a grid, a border or a position of its own."""

WITH_GRID: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "coarse keys": (lambda: Attention("coarse"), 2),
    "windows": (Windowed, 4),
    "windows with a bias": (lambda: Windowed(True), 4),
    "fused windows": (FusedWindows, 4),
    "patches": (Patches, 2),
    "shuffled": (
        lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * C, 4 * C, 1), nn.PixelShuffle(2)),
        2,
    ),
    "down and up": (lambda: nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)), 2),
    "even adaptive pool": (
        lambda: nn.Sequential(nn.AdaptiveMaxPool2d(6), nn.Upsample(scale_factor=2)),
        2,
    ),
}
"""With a grid of so many of their own samples, for maps of 12×12."""


def circular(stride: int = 1, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(C, C, kernel, stride, kernel // 2, padding_mode="circular")


def classifier(*middle: nn.Module) -> nn.Module:
    """A convolution, what is looked at, a mean and a dense layer; in float64."""
    net = nn.Sequential(
        nn.Conv2d(2, C, 3, padding=1, padding_mode="circular"),
        nn.Softsign(),
        *middle,
        nn.Softsign(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(C, 3),
    )
    return net.double().eval()


def exact_shifts(net: nn.Module, n: int, axis: int) -> list[int]:
    """Circular shifts along one axis that change nothing but rounding."""
    x = torch.rand(1, 2, n, n, dtype=torch.float64)
    with torch.no_grad():
        still = net(x)
        far = [float((net(x.roll(t, 2 + axis)) - still).abs().max()) for t in range(1, n)]
    return [t for t, d in enumerate(far, 1) if d < 1e-11]  # sums of hundreds in float64
