r"""Benchmarks, which print ratios of times measured in one run."""
