r"""Measures of sample quality and diversity, as functions of samples or features."""
