r"""`python -m energy_gans`: the same as the console script `energy-gans`.

Slow imports are inside :func:`main`, so that an interruption during them also ends with one
sentence.
"""

from energy_gans.interruption import interruptible


def main() -> None:
    r"""Runs the command that the program's arguments name."""
    with interruptible():
        from energy_gans import cli

        cli.main()


if __name__ == "__main__":
    main()
