"""A short training."""

QUICK = ["--model", "dense", "--set", "model.hidden=[16]", "--epochs", "1",
         "--set", "machine.precision=float32",
         "--set", "machine.memory_format=channels_last"]  # fmt: skip
"""Options of a training of a tenth of a second."""
