"""Windows that a module declares are taken instead of its operations."""

from torch import Tensor, nn

from neocog.graph.receptive_field import receptive_field
from neocog.layers.polyphase import ChoosePhase, PolyphaseUp, TakePhase


def test_samples_put_back_at_their_phase() -> None:
    class DownUp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.choose, self.take, self.put = ChoosePhase(2), TakePhase(2), PolyphaseUp(2)

        def forward(self, x: Tensor) -> Tensor:
            phase = self.choose(x)
            return self.put(self.take(x, phase), phase, x.shape[2:])

    f = receptive_field(DownUp(), (1, 8, 6))
    assert (f.of("take").receptive_field, f.of("take").jump) == ((2, 2), (2, 2))
    assert (f.of("").receptive_field, f.of("").jump, f.of("").start) == ((2, 2), (1, 1), (0, 0))
    assert f.status == "complete"
