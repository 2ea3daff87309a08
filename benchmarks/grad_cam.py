"""How fast are maps of 32 images beside pytorch-grad-cam and torch-cam, and are they the same?

ResNet-18 with 1000 outputs, 224 px, on the processor: one network, the same weights and images
for all. Each round computes the maps of all 32 images, for the class that the network says, once
with each; the order turns from round to round. Ratios are taken round by round, their median is
reported. Threads are those that PyTorch takes by itself.

Each is called as its page says: pytorch-grad-cam returns maps at the size of the image, scaled
to 0..1, so ours are enlarged and scaled too; torch-cam returns them on the layer's grid, scaled,
and ours are compared there. The layer is `layer4` for all (pytorch-grad-cam and torch-cam are told
it). What the others prepare once, hooks, is outside of what is timed; so is the first call, which
warms up.

The network is built here, as the others need one with modules of PyTorch only; torchvision is not
needed by neocog. Where torchvision's compiled part does not load beside a PyTorch for the
processor, two of its operators are declared without a body, as `peers/torchvision_shim.py` says:
neither is called.

The others live in .venv-peers, see peers.sh; all is measured in one process of that environment.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from common import HERE, ROOT, Results, Row, in_turns, spread, usual_options, version

PYTHON = ROOT / ".venv-peers" / "bin" / "python"

GOAL, CLOSE = 1.3, 1e-4
IMAGES, SIZE, CLASSES = 32, 224, 1000
OTHERS = {"pytorch-grad-cam": "grad-cam", "torch-cam": "torchcam"}
"""Name to package."""


def seconds(work: Callable[[], Any]) -> float:
    """Of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(rounds: int) -> dict[str, Any]:
    """Ours and both others, in turns; and how much their maps differ."""
    import torch

    sys.path[:0] = [str(ROOT / "src"), str(HERE / "peers")]
    from torchvision_shim import import_torchvision

    import_torchvision()
    from pytorch_grad_cam import GradCAM as Theirs
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import GradCAM as Torchcam

    from neocog.explainers.grad_cam import grad_cam
    from neocog.networks.catalog import build

    torch.manual_seed(0)
    net = build("resnet18", num_classes=CLASSES, in_channels=3, size=(SIZE, SIZE)).eval()
    layer = _layer(net)
    x = torch.randn(IMAGES, 3, SIZE, SIZE)
    with torch.no_grad():
        classes = net(x).argmax(1).tolist()
    targets = [ClassifierOutputTarget(c) for c in classes]
    theirs = Theirs(model=net, target_layers=[net.get_submodule(layer)])
    torchcam = Torchcam(net, target_layer=net.get_submodule(layer))

    def by_theirs() -> Any:
        return theirs(input_tensor=x, targets=targets)

    def by_torchcam() -> Any:
        with torch.enable_grad():
            return torchcam(classes, net(x))[0]

    def enlarged() -> Any:
        return scaled(grad_cam(net, x, layer=layer, target=classes).enlarged().clamp(min=0))

    def small() -> Any:
        return scaled(grad_cam(net, x, layer=layer, target=classes).positive)

    def scaled(maps: torch.Tensor) -> torch.Tensor:
        flat = maps.flatten(1)
        low, high = flat.amin(1).view(-1, 1, 1), flat.amax(1).view(-1, 1, 1)
        return (maps - low) / (high - low).clamp(min=1e-12)

    same = scaled(_enlarged_positive(grad_cam(net, x, layer=layer, target=classes)))
    apart = {
        "pytorch-grad-cam": float((same - torch.from_numpy(by_theirs())).abs().max()),
        "torch-cam": float((small() - by_torchcam()).abs().max()),
    }
    taken = in_turns(
        {
            "neocog, enlarged": lambda: seconds(enlarged),
            "neocog": lambda: seconds(small),
            "pytorch-grad-cam": lambda: seconds(by_theirs),
            "torch-cam": lambda: seconds(by_torchcam),
            "forward pass": lambda: seconds(lambda: _forward(net, x)),
        },
        rounds=rounds,
    )
    ours = {"pytorch-grad-cam": taken["neocog, enlarged"], "torch-cam": taken["neocog"]}
    return {
        "layer": layer,
        "threads": torch.get_num_threads(),
        "versions": {name: version(package) for name, package in OTHERS.items()},
        "largest_difference": apart,
        "seconds": {name: spread(values) for name, values in taken.items()},
        "ratio": {
            name: spread([b / a for a, b in zip(ours[name], taken[name], strict=True)])
            for name in OTHERS
        },
    }


def measured(rounds: int) -> dict[str, Any]:
    """`measure`, in the environment of the others."""
    command = [PYTHON, HERE / "grad_cam.py", "--measure", "--rounds", str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _layer(net: Any) -> str:
    """The last stage."""
    return str(net.stages[-1].name)


def _enlarged_positive(cam: Any) -> Any:
    """As pytorch-grad-cam does it: what is below zero is cut off before enlarging."""
    from neocog.explainers.grad_cam import resize_map

    return resize_map(cam.positive, cam.size)


def _forward(net: Any, x: Any) -> None:
    import torch

    with torch.no_grad():
        net(x)


def main() -> None:
    parser = usual_options(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--measure", action="store_true", help="in the environment of the others")
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.rounds)))
        return
    kept = Results(
        "grad_cam",
        "How fast are maps of 32 images beside pytorch-grad-cam and torch-cam, and the same?",
        {"rounds": given.rounds, "images": IMAGES, "size": SIZE, "network": "resnet18"},
        fresh=given.fresh,
        save=not given.trial,
    )
    found = kept.part("resnet18", lambda: measured(given.rounds))
    rows = []
    for name in OTHERS:
        ratio = found["ratio"][name]["median"]
        apart = found["largest_difference"][name]
        ours = "neocog, enlarged" if name == "pytorch-grad-cam" else "neocog"
        both = [statistics.median(found["seconds"][k]["values"]) for k in (ours, name)]
        rows.append(
            Row(
                what=f"Grad-CAM of {IMAGES} images, ResNet-18, {SIZE} px, against {name}; "
                "largest difference of the maps, which go from 0 to 1",
                reach=f"≥ {GOAL}×; ≤ {CLOSE:g}",
                measured=f"{ratio:.2f}× ({both[0]:.2f} s against {both[1]:.2f} s); {apart:.1g}",
                met=ratio >= GOAL and apart <= CLOSE,
            )
        )
    kept.write(rows)


if __name__ == "__main__":
    main()
