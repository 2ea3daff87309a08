"""A linear classifier on features: multinomial logistic regression, L2 strength chosen on folds.

The features are standardized, the weights are penalized and the bias is not. The penalty is the
same in every direction, so features may be rotated: where there are fewer samples than features the
problem is solved in the space of the samples, and rotated back. All folds are solved at once, as
one problem with a block of weights a fold; each strength starts from the solution of the stronger
one before it. The optimizer is L-BFGS (D. C. Liu, J. Nocedal, "On the limited memory BFGS method
for large scale optimization", Mathematical Programming 45, 1989).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neocog.errors import DataError

__all__ = ["LinearFit", "PathPoint", "class_weights", "fit_linear", "folds_of"]

FOLDS = 5
"""Parts of the training samples, each held out once."""

PATH = tuple(10.0 ** (-k / 2) for k in range(-2, 11))
"""Strengths that are tried, the strongest first: factors of ½‖W‖² beside the mean loss."""

RISES = 2
"""The path ends where the held-out loss has risen so often in a row: weaker ones overfit."""

WORK = 4e9
"""Multiplications of one evaluation of all folds, at most; larger problems get a single fold."""

LEAST_STD, ROUNDING = 1e-6, 1e-9
"""A feature whose standard deviation is smaller, as a fraction of the largest one or of its own
mean, is taken for constant."""


@dataclass(frozen=True)
class PathPoint:
    """One strength on the path.

    Args:
        l2: the factor of ½‖W‖² beside the mean loss.
        loss: mean cross-entropy of the held-out samples of all folds, in nats; weighted by class
            where the fit is.
        accuracy: of the same samples, each counted alike.
    """

    l2: float
    loss: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class LinearFit:
    """A fitted linear classifier: logits are `x @ weight.T + bias`.

    Args:
        weight: (K, D), float64, of features as they are: their scaling is folded in.
        bias: (K,), float64.
        l2: the strength.
        loss: mean cross-entropy of the training samples, in nats.
        path: the strengths that were tried; empty where one was given, or nothing was held out.
        folds: of the choice; 0 where there was none.
    """

    weight: Tensor
    bias: Tensor
    l2: float
    loss: float
    path: tuple[PathPoint, ...] = ()
    folds: int = 0

    @property
    def chosen(self) -> PathPoint | None:
        """The point of the path that was chosen; None where there was no choice."""
        return next((p for p in self.path if p.l2 == self.l2), None)

    def logits(self, x: Tensor) -> Tensor:
        """Of features (B, D), float32, (B, K)."""
        return (x.double() @ self.weight.T + self.bias).float()


def fit_linear(
    x: Tensor,
    y: np.ndarray,
    num_classes: int,
    *,
    l2: float = 0.0,
    balanced: bool = False,
    seed: int = 0,
) -> LinearFit:
    """Fit a linear classifier; the same seed and machine give the same bits.

    Args:
        x: features, (B, D).
        y: class indices, (B,); at least two different ones.
        num_classes: K, outputs; a class without a sample gets a low bias.
        l2: the strength; 0 to choose it by cross-validation. With a single sample of each class
            nothing can be held out, and it is the strongest of the path.
        balanced: weigh classes alike, however many samples each has.
        seed: of the folds.

    Raises:
        DataError: samples of one class alone.

    Example:
        >>> x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
        >>> fit = fit_linear(x, np.array([0, 0, 1, 1]), 2)
        >>> fit.logits(x).argmax(1).tolist()
        [0, 0, 1, 1]
    """
    counts = np.bincount(y, minlength=num_classes)
    if (counts > 0).sum() < 2:
        raise DataError(
            "A linear classifier needs samples of at least two classes; "
            f"got {int((counts > 0).sum())}. Give labeled samples of each class."
        )
    z, back, mean, scale = _compact(x)
    weights = torch.from_numpy(class_weights(y, num_classes) if balanced else np.ones(num_classes))
    truth = torch.from_numpy(np.ascontiguousarray(y, np.int64))
    path: tuple[PathPoint, ...] = ()
    folds = 0
    if not l2:
        fold = folds_of(y, folds=_affordable(z, num_classes), seed=seed)
        folds = int(fold.max()) + 1
        path = _path(z, truth, num_classes, weights, fold)
        l2 = min(path, key=lambda p: (p.loss, -p.l2)).l2 if path else PATH[0]
    problem = _Problem(z, truth, num_classes, weights, torch.ones(1, len(truth), dtype=z.dtype))
    solution = problem.solve(problem.start(), l2, steps=500, tolerance=1e-7)
    loss = float(problem.mean_losses(solution)[0])
    inner, bias = solution[:, 0, :-1], solution[:, 0, -1]
    weight = (inner if back is None else inner @ back.T) / scale
    return LinearFit(weight, bias - weight @ mean, l2, loss, path, folds)


def class_weights(y: np.ndarray, num_classes: int) -> np.ndarray:
    """A weight per class so that all count alike, 1 on average over the samples, (K,).

    Example:
        >>> class_weights(np.array([0, 0, 0, 1]), 2).round(3).tolist()
        [0.667, 2.0]
    """
    counts = np.bincount(y, minlength=num_classes)
    present = max(1, int((counts > 0).sum()))
    return np.where(counts > 0, len(y) / present / np.maximum(counts, 1), 0.0)


def folds_of(y: np.ndarray, *, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """The fold in which each sample is held out, int64, (B,); -1 for never.

    Each class is spread evenly. The only sample of a class is never held out: nothing could be
    learned of it. A single fold holds out a fifth.

    Args:
        y: class indices, (B,).
        folds: their number, at least 1.
        seed: of the order within a class.

    Example:
        >>> np.bincount(folds_of(np.repeat([0, 1], 10), folds=5)).tolist()
        [4, 4, 4, 4, 4]
    """
    rng, fold, at = np.random.default_rng([seed, 0xF01D]), np.full(len(y), -1, np.int64), 0
    parts = max(folds, FOLDS) if folds == 1 else folds
    for k in np.unique(y).tolist():
        rows = rng.permutation(np.flatnonzero(y == k))
        if len(rows) > 1:
            fold[rows] = (at + np.arange(len(rows))) % parts
            at += len(rows)
    if folds == 1:
        fold[fold > 0] = -1
    kept = np.unique(fold[fold >= 0])
    fold[fold >= 0] = np.searchsorted(kept, fold[fold >= 0])
    return fold


def _compact(x: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Standardized features, rotated into fewer axes where there are fewer samples.

    Returns:
        The features, float64, (B, R); the rotation (D, R), or None; mean and deviation, (D,).
    """
    wide = x.detach().cpu().double()
    mean, std = wide.mean(0), wide.std(0, correction=0)
    varies = std > torch.maximum(LEAST_STD * std.max(), ROUNDING * mean.abs())
    scale = torch.where(varies, std, torch.ones_like(std))
    z = (wide - mean) / scale
    z[:, ~varies] = 0.0
    if len(z) >= z.shape[1]:
        return z, None, mean, scale
    # Rows span at most B axes: z = L Qᵀ with orthonormal columns of Q.
    q, r = torch.linalg.qr(z.T)
    return r.T.contiguous(), q, mean, scale


def _affordable(z: Tensor, num_classes: int) -> int:
    """Folds that one evaluation of all of them can hold."""
    return FOLDS if 4 * z.numel() * num_classes * FOLDS <= WORK else 1


def _path(
    z: Tensor, y: Tensor, num_classes: int, weights: Tensor, fold: np.ndarray
) -> tuple[PathPoint, ...]:
    """Held-out loss and accuracy along the strengths, each solved from the one before."""
    held = torch.from_numpy(fold)[None] == torch.arange(int(fold.max()) + 1)[:, None]
    if not held.any():
        return ()
    # The choice is between factors of three: float32 decides it, in half the time.
    problem = _Problem(z.float(), y, num_classes, weights.float(), (~held).float())
    at, points, rises = problem.start(), list[PathPoint](), 0
    for l2 in PATH:
        at = problem.solve(at, l2, steps=100, tolerance=1e-4)
        loss, accuracy = problem.held_out(at, held)
        rises = rises + 1 if points and loss > points[-1].loss else 0
        points.append(PathPoint(l2, loss, accuracy))
        if rises >= RISES:
            break
    return tuple(points)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Logistic regressions on the same features, one for each row of `mask`, as one problem.

    Args:
        z: (B, R).
        y: class indices, (B,).
        num_classes: K.
        weights: of each class, (K,).
        mask: 1 where a sample is trained on, (F, B).
    """

    z: Tensor
    y: Tensor
    num_classes: int
    weights: Tensor
    mask: Tensor

    def start(self) -> Tensor:
        """Zero weights and biases, (K, F, R + 1)."""
        return torch.zeros(
            self.num_classes, len(self.mask), self.z.shape[1] + 1, dtype=self.z.dtype
        )

    def log_probabilities(self, at: Tensor) -> Tensor:
        """(B, F, K)."""
        flat = at[..., :-1].reshape(-1, self.z.shape[1])
        logits = (self.z @ flat.T).view(len(self.z), self.num_classes, -1) + at[..., -1]
        return logits.log_softmax(1).transpose(1, 2)

    def each_weight(self) -> Tensor:
        """Of each sample in each problem, (B, F); they sum to 1 in each."""
        each = (self.mask * self.weights[self.y]).T
        return each / each.sum(0).clamp(min=1e-12)

    def mean_losses(self, at: Tensor) -> Tensor:
        """Weighted mean cross-entropy of each problem, (F,)."""
        picked = self._picked(self.log_probabilities(at))
        return -(picked * self.each_weight()).sum(0)

    def _picked(self, log_p: Tensor) -> Tensor:
        return log_p.gather(2, self.y[:, None, None].expand(-1, log_p.shape[1], 1))[..., 0]

    def held_out(self, at: Tensor, held: Tensor) -> tuple[float, float]:
        """Weighted mean loss, and accuracy, of all samples held out; `held` is (F, B)."""
        log_p = self.log_probabilities(at)
        keep = held.T
        each = self.weights[self.y][:, None].expand_as(keep)[keep].double()
        loss = -float((self._picked(log_p)[keep].double() * each).sum() / each.sum())
        right = (log_p.argmax(2) == self.y[:, None])[keep]
        return loss, float(right.double().mean())

    def objective(self, l2: float) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        """Sum over the problems of mean loss + ½ l2 ‖W‖², and its gradient."""
        each = self.each_weight()
        shape = self.start().shape

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            at = torch.from_numpy(flat).to(self.z.dtype).view(shape)
            log_p = self.log_probabilities(at)
            loss = -(self._picked(log_p) * each).sum(dtype=torch.float64)
            inner = at[..., :-1]
            loss = loss + 0.5 * l2 * inner.double().square().sum()
            error = log_p.exp_()
            index = self.y[:, None, None].expand(-1, error.shape[1], 1)
            error.scatter_add_(2, index, error.new_full((1, 1, 1), -1.0).expand(index.shape))
            error *= each[..., None]
            rows = error.transpose(1, 2).reshape(len(self.z), -1)
            gradient = torch.empty_like(at)
            gradient[..., :-1] = (rows.T @ self.z).view(inner.shape) + l2 * inner
            gradient[..., -1] = rows.sum(0).view(shape[:-1])
            return float(loss), gradient.double().numpy().ravel()

        return value

    def solve(self, at: Tensor, l2: float, *, steps: int, tolerance: float) -> Tensor:
        """The minimum, from a start; (K, F, R + 1)."""
        from scipy.optimize import minimize

        done = minimize(  # type: ignore[no-untyped-call]
            self.objective(l2),
            at.double().numpy().ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": steps, "maxcor": 20, "gtol": tolerance, "ftol": tolerance**2},
        )
        return torch.from_numpy(done.x).to(at.dtype).view(at.shape)
