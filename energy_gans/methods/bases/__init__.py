r"""Base classes of methods: the contracts of a step, generators, potentials, chains and flows."""
