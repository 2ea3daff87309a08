"""Mathematics of sampled signals: functions of tensors, no `nn.Module`."""
