r"""Parts of methods: chains, flow solvers, replay buffers, moving averages, network functions."""
