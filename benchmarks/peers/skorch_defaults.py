"""skorch with its defaults around the network of the plain PyTorch script.

That is plain SGD at rate 0.01, batches of 128, a fifth of the training samples held out.
Tested after each epoch, ends at 99.0 %.
"""

import sys

import numpy as np
import torch
from idx import read, report
from plain_torch import Net
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn


class UntilGood(Callback):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    def on_epoch_end(self, net: NeuralNetClassifier, **kwargs: object) -> None:
        epoch = len(net.history)
        if report(epoch, float((net.predict(self.x) == self.y).mean())):
            raise KeyboardInterrupt  # skorch's own way to end a training


def data(folder: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read(folder, part)
    x = (images[:, None].astype("float32") / 255 - 0.1307) / 0.3081
    return x.astype("float32"), labels.astype("int64")


def main(folder: str, seed: int) -> None:
    torch.manual_seed(seed)
    x, y = data(folder, "train")
    net = NeuralNetClassifier(
        Net,
        criterion=nn.NLLLoss,
        max_epochs=200,
        callbacks=[UntilGood(*data(folder, "t10k"))],
        verbose=0,
    )
    net.fit(x, y)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
