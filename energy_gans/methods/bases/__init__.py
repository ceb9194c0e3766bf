r"""What methods are made of: contracts, generators, potentials, chains and flows."""
