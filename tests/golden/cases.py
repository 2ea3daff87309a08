"""What is recorded: every verb on digits and on a published ResNet-20, trainings, state dicts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tests.golden.compare import FLOAT32, FLOAT64, TRAINED, Close
from tests.golden.nets import net_of_task
from tests.golden.workshop import SHARED, SMALL, Workshop

import neocog
from neocog.networks.catalog import NETWORKS

__all__ = ["CASES", "Case"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Figures that have to stay what they are.

    Args:
        name: of the file.
        words: of a command, whose JSON is recorded.
        made: what is recorded, where it is more than that.
        needs: what `Workshop` makes for it, with spaces.
        shared: files of the folder of real data that it needs.
        close: for another machine.
        slow: runs with the slow tests.
        without: patterns of figures that another case records.
    """

    name: str
    words: str = ""
    made: Callable[[Workshop, Case], Any] | None = None
    needs: str = ""
    shared: tuple[str, ...] = ()
    close: Close = FLOAT32
    slow: bool = False
    without: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """Files that are not here."""
        return [name for name in self.shared if not (SHARED / name).exists()]

    def figures(self, workshop: Workshop) -> Any:
        """The result of today."""
        for what in self.needs.split():
            workshop.need(what)
        return self.made(workshop, self) if self.made else workshop.json(self.words)


def _with_epochs(workshop: Workshop, case: Case) -> Any:
    """A command that makes a run, and its epochs."""
    return {"result": workshop.json(case.words), "epochs": workshop.epochs(case.name)}


def _training(name: str, words: str) -> Case:
    """Ten epochs of four steps or less: the loss of each is recorded."""
    fixed = "--epochs 10 --batch-size 30 --seed 1 --set machine.memory_format=channels_last"
    return Case(
        name=name,
        words=f"train small.npz {words} {fixed} --out {name}",
        made=_with_epochs,
        needs="small",
        close=TRAINED,
    )


TRAININGS = (
    _training("train-convnet", f"{SMALL} --lr 0.1 --set objective.max_grad_norm=1.0 "
              "--augment shift=2,rotate=10,scale=0.1,elastic=0.5,brightness=0.1"),
    _training("train-lenet5", "--model lenet5_modern --downsampling polyphase --padding circular "
              "--optimizer adamw --lr 0.003 --set schedule.name=cosine "
              "--set machine.precision=float32 "
              "--augment shift=1,mixup=0.2,aspect_jitter=0.1,shear=0.1,contrast=0.2"),
    _training("train-resnet20", "--model resnet20 --set model.width=4 --downsampling blur "
              "--set machine.precision=bfloat16 --set objective.label_smoothing=0.1 --lr 0.003 "
              "--set train.ema_decay=0.9 "
              "--augment crop=0.7,flip=true,random_erasing=0.3,equalize=0.2,border=reflect"),
)  # fmt: skip


def _fixed(name: str, words: str, **more: Any) -> Case:
    words = f"fix {words} --keep fixed --device cpu --out {name}"
    return Case(name=name, words=words, made=_with_epochs, **more)


def _explained(method: str, words: str, *, name: str = "", **more: Any) -> Case:
    name = name or f"explain-{method}"
    words = f"explain {words} --method {method} --out {name}"
    return Case(name=name, words=words, **{"needs": "run", **more})


RELATIVES = (5, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 19, 21, 22)
"""Networks that have the options of another one."""

GEOMETRY = ("receptive_field", "alignment")
SHAPES = ("layers/*/kind", "layers/*/output", "layers/*/shift_error_ci")

DIGITS = (
    Case(name="evaluate", words="evaluate run digits", needs="run"),
    Case(name="predict", words="predict run images", needs="run images"),
    Case(name="audit", words="audit run digits --full --samples 200 --map-samples 4", needs="run",
         without=GEOMETRY),
    Case(name="audit-all-shifts", words="audit run digits --samples 16 --shift circular "
         "--all-shifts --map-samples 2 --max-shift 5 --no-rotation --no-scale --no-elastic "
         "--no-layers --seed 3", needs="run", without=GEOMETRY),
    Case(name="audit-baseline", words="audit other digits --full --samples 100 --shift crop "
         "--map-samples 1 --no-rotation --no-scale --no-elastic --no-layers --baseline run "
         "--require 'shift.crop.consistency>=0.1'", needs="run other",
         without=(*GEOMETRY, "baseline/shift/*/map", "baseline/shift/*/flips")),
    Case(name="audit-series",
         words="audit tests.golden.nets:series series.npz --full --series 1,64", needs="series",
         without=GEOMETRY),
    _fixed("fix", "run digits --finetune 0.5 --lr 0.005 --consistency-weight 5 --samples 200 "
           "--shift crop,circular --rank-layers", needs="run", close=TRAINED),
    _fixed("fix-circular", "run digits --padding circular --finetune 0 --samples 48", needs="run"),
    _explained("grad_cam", "run digits --samples 3"),
    *(_explained(m, "run digits --samples 2 --no-sanity-checks")
      for m in ("hires_cam", "layer_cam", "eigen_cam")),
    *(_explained(m, "run digits --samples 2")
      for m in ("filters", "features", "backward", "template-matching", "classic-filters")),
    _explained("activation-maximization", "run --units 0,3"),
    _explained("top-activations", "run digits --layer stage2 --units 0,5"),
    Case(name="summary", words="summary run", needs="run"),
    Case(name="summary-lenet5", words="summary lenet5 --size 1,28,28 --classes 7"),
    Case(name="data", words="data digits"),
    Case(name="data-folder", words="data folder", needs="folder"),
    Case(name="export-torch", words="export run --format torch --out run.pt", needs="run"),
    Case(name="export-pt2", words="export run --format pt2 --out run.pt2", needs="run"),
    Case(name="export-onnx", words="export run --out run.onnx", needs="run", slow=True),
    Case(name="models", words="models", without=tuple(f"{i}/options" for i in RELATIVES)),
)  # fmt: skip


def _of_task(task: str) -> Case:
    """An audit from Python of a small network whose outputs are not classes of an image."""

    def made(workshop: Workshop, case: Case) -> Any:
        with workshop.alike():
            x = torch.rand(12, 1, 24, 24, generator=torch.Generator().manual_seed(1))
            y = (x[:, 0] > 0.5).long() if task == "segment" else x.mean((1, 2, 3))
            everything = neocog.AuditConfig(full=True)
            return neocog.audit(net_of_task(task), (x, y), everything, task=task).to_json()

    return Case(name=f"audit-{task}", made=made, without=(*GEOMETRY, "layers", "**/map/**"))


TASKS = (_of_task("segment"), _of_task("regress"))

NET = "tests.strangers.resnet20:make"
OPENED = "--weights resnet20.th --size 3,32,32 --mean .485,.456,.406 --std .229,.224,.225"
REAL = {
    "needs": "cifar",
    "shared": (
        "models/resnet20-cifar10/resnet20-12fca82f.th",
        "data/cifar10/test_00.webp",
        "data/cifar10/labels.npz",
    ),
}

EXTERNAL = (
    Case(name="resnet20-evaluate", words=f"evaluate {NET} cifar.npz {OPENED}", **REAL),
    Case(name="resnet20-audit", words=f"audit {NET} cifar.npz {OPENED} --full --samples 8 "
         "--map-samples 1 --precision float64",
         close=FLOAT64, without=(*GEOMETRY, *SHAPES), slow=True, **REAL),
    _fixed("resnet20-fix",
           f"{NET} cifar.npz {OPENED} --finetune 0 --samples 32 --shift crop,circular", **REAL),
    _explained("grad_cam", f"{NET} cifar.npz --samples 2 {OPENED}",
               name="resnet20-explain", **REAL),
    Case(name="resnet20-summary", words=f"summary {NET} --size 3,32,32"),
)  # fmt: skip


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "convnet, full stem": ("convnet", {"widths": (8, 12), "depths": (1, 2), "stem": "full"}),
    "convnet, conv": ("convnet", {"pool": "conv"}),
    "convnet, learned_polyphase": ("convnet", {"downsampling": "learned_polyphase"}),
    "lenet5_modern, conv": ("lenet5_modern", {"pool": "conv", "dropout": 0.1}),
    "lenet5_modern, mean": ("lenet5_modern", {"head": "mean"}),
    "alexnet, published": ("alexnet", {"stem": "published", "head": "published"}),
    "alexnet_2012, published": ("alexnet_2012", {"stem": "published"}),
    "vgg11, conv": ("vgg11", {"pool": "conv", "head": "published"}),
    "vgg11_bn, mean": ("vgg11_bn", {"head": "mean"}),
    "resnet20, B": ("resnet20", {"shortcut": "B"}),
    "resnet20, learned_polyphase": ("resnet20", {"downsampling": "learned_polyphase"}),
    "resnet18, published": ("resnet18", {"stem": "published"}),
    "resnet50, blur": ("resnet50", {"downsampling": "blur"}),
}
"""Networks with options that decide which tensors there are."""


NAMED = {"convnet", "dense", "lenet5", "lenet5_modern", "alexnet", "alexnet_2012", "vgg11",
         "vgg11_bn", "resnet20", "resnet18", "convnet, learned_polyphase"}  # fmt: skip
"""Of the others, which are like one of these, a digest of the names is recorded alone."""


def _state_dicts(workshop: Workshop, case: Case) -> Any:
    """Names and shapes of all tensors of every network."""
    kinds = {**{name: (name, {}) for name in NETWORKS}, **VARIANTS}
    found = {kind: _state_dict(name, options) for kind, (name, options) in kinds.items()}
    for kind in found.keys() - NAMED:
        del found[kind]["names"]
    return found


def _state_dict(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The names, with numbers in them as ranges, and a digest of names and shapes in order."""
    with torch.device("meta"):
        network = neocog.build(name, num_classes=10, in_channels=3, size=(64, 64), options=options)
    state = network.state_dict()
    text = "\n".join(f"{key} {tuple(v.shape)} {v.dtype}" for key, v in state.items())
    groups: dict[str, list[tuple[int, ...]]] = {}
    for key in state:
        numbers = tuple(int(n) for n in re.findall(r"(?<=\.)\d+(?=\.)", key))
        groups.setdefault(re.sub(r"(?<=\.)\d+(?=\.)", "#", key), []).append(numbers)
    return {
        "tensors": len(state),
        "names": {key: _ranges(numbers) for key, numbers in groups.items()},
        "digest_of_names_and_shapes": hashlib.blake2b(text.encode(), digest_size=12).hexdigest(),
    }


def _ranges(numbers: list[tuple[int, ...]]) -> str:
    """Which numbers stand for the signs # of a name.

    Example:
        >>> _ranges([(0,), (1,), (2,), (5,)]), _ranges([()]), _ranges([(0, 1), (3, 1)])
        ('0-2+5', '1', '0.1+3.1')
    """
    if not numbers[0]:
        return str(len(numbers))
    if len(numbers[0]) > 1:
        return "+".join(".".join(map(str, n)) for n in numbers)
    runs: list[list[int]] = []
    for (n,) in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return "+".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


STATES = Case(name="state-dicts", made=_state_dicts)

CASES: dict[str, Case] = {
    case.name: case for case in (*TRAININGS, *DIGITS, *TASKS, *EXTERNAL, STATES)
}
"""Name to case."""
