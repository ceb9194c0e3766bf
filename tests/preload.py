r"""What processes of tests have from their start. The server of `tests.processes` imports it."""

import contextlib
import io
import tempfile
from pathlib import Path

import energy_gans.callbacks  # noqa: F401
import energy_gans.networks  # noqa: F401
from energy_gans.cli import main

from .conftest import TINY

# The first config that a process reads takes longer than all others.
with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
    config = Path(folder, "tiny.yaml")
    config.write_text(TINY)
    with contextlib.suppress(SystemExit):
        main(["fit", "--config", str(config), "--print_config"])
