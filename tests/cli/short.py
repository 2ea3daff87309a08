"""A short training."""

QUICK = ["--network", "dense", "--set", "network.hidden=[16]", "--epochs", "1",
         "--set", "machine.precision=float32"]  # fmt: skip
"""Options of a training of a tenth of a second."""
