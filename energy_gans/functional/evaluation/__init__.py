r"""Functions on samples and features that say how good samples are."""
