"""The loop and what surrounds it; touches no disk and prints nothing."""
