"""A linear probe in plain PyTorch and scikit-learn: features of a backbone, logistic regression.

As a careful user writes it: the backbone as a TorchScript program from pixels to features, batches
of 32 through a DataLoader, features standardized, `LogisticRegressionCV` over the usual ten
strengths with five folds. The program is written beforehand and not timed.

    linear_probe.py FOLDER PROGRAM SIZE

FOLDER has train/ and test/ with a folder a class. Prints the test accuracy as JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset


class Folder(Dataset):
    def __init__(self, root, classes, size):
        self.items = [(f, k) for k, c in enumerate(classes) for f in sorted((root / c).iterdir())]
        self.size = size

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        file, label = self.items[i]
        image = Image.open(file).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.BICUBIC, box=box)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255, label


def features(program, root, classes, size):
    x, y = [], []
    with torch.inference_mode():
        for images, labels in DataLoader(Folder(root, classes, size), batch_size=32):
            x.append(program(images))
            y.append(labels)
    return torch.cat(x).numpy(), torch.cat(y).numpy()


def main(folder, program, size):
    root, program = Path(folder), torch.jit.load(program).eval()
    classes = sorted(p.name for p in (root / "train").iterdir())
    x, y = features(program, root / "train", classes, size)
    folds = min(5, int(np.bincount(y).min()))
    fit = make_pipeline(
        StandardScaler(), LogisticRegressionCV(Cs=10, cv=max(2, folds), max_iter=1000)
    ).fit(x, y)
    test, truth = features(program, root / "test", classes, size)
    score = float((fit.predict(test) == truth).mean())
    print(json.dumps({"accuracy": score, "n": len(truth)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
