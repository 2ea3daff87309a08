"""fastai with its defaults around the network of the plain PyTorch script.

`Learner` with Adam at rate 0.001 and batches of 64, `fit_one_cycle` over a number of epochs that
has to be known before; it is given, and chosen in favor of fastai: the smallest that reaches
99.0 %. The training runs to the end of its cycle and is tested after each epoch.
"""

import sys

import fastai.callback.progress
import fastai.callback.schedule  # noqa: F401  (adds Learner.fit_one_cycle)
from fastai.basics import (
    Callback,
    CrossEntropyLossFlat,
    DataLoaders,
    Learner,
    accuracy,
    set_seed,
)
from idx import report
from plain_torch import Net, dataset


class Report(Callback):
    order = 60  # after the recorder

    def after_epoch(self) -> None:
        report(self.epoch + 1, float(self.recorder.values[-1][-1]))


def main(folder: str, seed: int, epochs: int) -> None:
    set_seed(seed)
    data = DataLoaders.from_dsets(
        dataset(folder, "train"), dataset(folder, "t10k"), bs=64, num_workers=0, device="cpu"
    )
    learner = Learner(data, Net(), loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=Report())
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(epochs)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
