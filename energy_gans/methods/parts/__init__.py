r"""What methods hold: chains, solvers, buffers, averages, and how they handle networks."""
