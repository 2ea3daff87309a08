"""A short training."""

QUICK = ["--network", "dense", "--set", "network.hidden=[16]", "--epochs", "1",
         "--set", "machine.precision=float32", "--set", "machine.layout=channels_last"]  # fmt: skip
"""Options of a training of a tenth of a second."""
