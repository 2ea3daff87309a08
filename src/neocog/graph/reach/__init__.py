"""Which samples of the input each element of each tensor sees: intervals, rules, a trace."""
