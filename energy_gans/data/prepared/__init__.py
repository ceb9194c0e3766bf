r"""Prepared sets: images decoded once, in files that training maps into memory."""
