"""A small MobileNet for CIFAR-10, trained as people write it by hand: plain PyTorch, a state dict.

It knows nothing of neocog. Depthwise separable convolutions, some with a stride, do all but the
first layer (A. Howard et al., "MobileNets", 2017).

    python plain_mobilenet.py cifar10.npz mobilenet.pth --epochs 12
"""

import argparse
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


def conv_bn(c_in, c_out, kernel, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU6(inplace=True),
    )


class SmallMobileNet(nn.Module):
    # channels and stride of each depthwise separable block
    SETTINGS = ((48, 2), (80, 1), (128, 2), (128, 1), (128, 1), (192, 2), (192, 1))

    def __init__(self, num_classes=10):
        super().__init__()
        layers, c_in = [conv_bn(3, 32, 3)], 32
        for c_out, stride in self.SETTINGS:
            layers.append(conv_bn(c_in, c_in, 3, stride, groups=c_in))
            layers.append(conv_bn(c_in, c_out, 1))
            c_in = c_out
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.1), nn.Linear(c_in, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


def load(path):
    with np.load(path) as data:
        parts = [data[k] for k in ("x_train", "y_train", "x_test", "y_test")]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    out = []
    for x, y in (parts[:2], parts[2:]):
        x = torch.from_numpy(x).permute(0, 3, 1, 2).float().div_(255)
        out.append((x.sub_(mean).div_(std), torch.from_numpy(y).long()))
    return out


def augment(x):
    n = len(x)
    x = torch.where((torch.rand(n) < 0.5).view(n, 1, 1, 1), x.flip(3), x)
    padded = F.pad(x, (4, 4, 4, 4))
    top, left = torch.randint(0, 9, (2, n))
    rows = (top[:, None] + torch.arange(32))[:, None, :, None]
    cols = (left[:, None] + torch.arange(32))[:, None, None, :]
    i = torch.arange(n)[:, None, None, None]
    return padded[i, torch.arange(3)[None, :, None, None], rows, cols]


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    hits = sum(
        (model(a).argmax(1) == b).sum().item()
        for a, b in zip(x.split(500), y.split(500), strict=True)
    )
    return hits / len(y)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.4)
    args = parser.parse_args()

    torch.manual_seed(0)
    (x, y), (x_test, y_test) = load(args.data)
    model = SmallMobileNet().to(memory_format=torch.channels_last)
    steps = len(x) // args.batch
    optimizer = torch.optim.SGD(
        model.parameters(), lr=args.lr, momentum=0.9, weight_decay=2e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, total_steps=args.epochs * steps, pct_start=0.2
    )
    began = time.time()
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(x))[: steps * args.batch].split(args.batch):
            inputs = augment(x[batch]).to(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(inputs), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(
            f"epoch {epoch + 1}: loss {total / steps:.3f}, {time.time() - began:.0f} s", flush=True
        )
        torch.save(model.state_dict(), args.out)
    print(f"test accuracy {accuracy(model, x_test, y_test):.4f}")


if __name__ == "__main__":
    main()
