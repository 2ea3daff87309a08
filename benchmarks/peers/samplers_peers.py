"""The downsamplers of others, called as their pages say; see `samplers.py`.

Two of them are packages, two are repositories: `--aps` and `--lps` name the folders into which
these were unpacked. The layer of the first one moves tensors to a GPU whatever it is given; here
that call does nothing, which is in its favor.
"""

import argparse
import importlib
import importlib.metadata
import sys
from functools import partial

import torch
from serve import serve


def ways(aps: str, lps: str) -> dict[str, object]:
    import antialiased_cnns
    from kornia.filters import BlurPool2D

    found: dict[str, object] = {
        "antialiased-cnns, 4 taps, reflect": lambda c: antialiased_cnns.BlurPool(
            c, pad_type="reflect", filt_size=4, stride=2
        ),
        "antialiased-cnns, 3 taps, reflect": lambda c: antialiased_cnns.BlurPool(
            c, pad_type="reflect", filt_size=3, stride=2
        ),
        "kornia, 3 taps, zero": lambda c: BlurPool2D(3, stride=2),
        "kornia, 5 taps, zero": lambda c: BlurPool2D(5, stride=2),
    }
    if aps:
        torch.Tensor.cuda = lambda self, *args, **kwargs: self  # type: ignore[method-assign]
        sys.path.insert(0, aps)
        layer = importlib.import_module("models.aps_models.apspool").ApsPool
        for taps in (1, 3):
            found[f"APS, {taps} taps, circular"] = partial(
                layer, pad_type="circular", filt_size=taps, return_poly_indices=False
            )
    if lps:
        sys.path.insert(0, f"{lps}/learn_poly_sampling")
        down = importlib.import_module("layers.polydown")
        found["LPS, largest norm"] = lambda c: down.PolyphaseInvariantDown2D(
            2, component_selection=down.max_p_norm, no_antialias=True
        )
        found["LPS, learned, circular"] = lambda c: down.PolyphaseInvariantDown2D(
            2,
            component_selection=down.LPS,
            get_logits=down.LPSLogitLayersV2,
            in_channels=c,
            hid_channels=8,
            no_antialias=True,
            pass_extras=True,
        )
    return found


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--aps", default="")
    options.add_argument("--lps", default="")
    options.add_argument("--versions", action="store_true")
    given = options.parse_args()
    if given.versions:
        for name in ("torch", "antialiased-cnns", "kornia"):
            print(name, importlib.metadata.version(name))
    else:
        serve(ways(given.aps, given.lps))
