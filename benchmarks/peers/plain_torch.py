"""A plain PyTorch script for MNIST, in the way of the framework's own example.

Two 3×3 convolutions (32, 64), max pool, dropout, a hidden layer of 128; Adadelta at rate 1 that is
multiplied by 0.7 after each epoch; batches of 64. Tested after each epoch, ends at 99.0 %.
"""

import sys

import torch
import torch.nn.functional as F
from idx import read, report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.drop1 = nn.Dropout(0.25)
        self.drop2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.drop1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(x.flatten(1)))
        return F.log_softmax(self.fc2(self.drop2(x)), dim=1)


def dataset(folder: str, part: str) -> TensorDataset:
    images, labels = read(folder, part)
    x = torch.tensor(images).unsqueeze(1).float() / 255
    return TensorDataset((x - 0.1307) / 0.3081, torch.tensor(labels).long())


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(1) == y).sum().item()
    return right / len(loader.dataset)


def main(folder: str, seed: int, epochs: int = 30) -> None:
    torch.manual_seed(seed)
    train = DataLoader(dataset(folder, "train"), batch_size=64, shuffle=True)
    test = DataLoader(dataset(folder, "t10k"), batch_size=1000)
    model = Net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, epochs + 1):
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            loss = F.nll_loss(model(x), y)
            loss.backward()
            optimizer.step()
        if report(epoch, accuracy(model, test)):
            break
        schedule.step()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
