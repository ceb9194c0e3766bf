r"""`python -m energy_gans`: the same as the console script `energy-gans`."""

from energy_gans.cli import main

if __name__ == "__main__":
    main()
