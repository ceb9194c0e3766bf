r"""`python -m energy_gans`: the same as the console script `energy-gans`.

What takes seconds to import is imported when an interruption ends the program in one sentence.
"""

from energy_gans.interruption import interruptible


def main() -> None:
    r"""Runs the command that the arguments of the program name."""
    with interruptible():
        from energy_gans import cli

        cli.main()


if __name__ == "__main__":
    main()
