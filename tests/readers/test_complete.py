r"""Every module that reads files is covered by the readers that are fuzzed."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "energy_gans"
READING = re.compile(
    r"\b(?:np\.load|np\.fromfile|np\.frombuffer|torch\.frombuffer|torch\.load|loadmat|json\.loads?"
    r"|yaml\.safe_load|ZipFile|tarfile\.open|gzip\.open|ParquetFile|DictReader|Image\.open"
    r"|pickletools\.genops|safetensors\.torch\.load|read_bytes|struct\.unpack|unpack_from|LmdbFile)\("
)
# Modules whose parsing `tests/readers/formats.py` reaches.
COVERED = {
    "commands/config_files.py",
    "commands/inpaint/masks.py",
    "commands/study/cells.py",
    "commands/study/pictures.py",
    "data/prepared/manifest.py",
    "data/prepared/preprocessing.py",
    "data/prepared/reader.py",
    "data/prepared/sources/cifar.py",
    "data/prepared/sources/containers.py",
    "data/prepared/sources/lmdb_files.py",
    "data/prepared/sources/lsun.py",
    "data/prepared/sources/mnist.py",
    "data/prepared/sources/parquet.py",
    "data/prepared/sources/svhn.py",
    "data/prepared/sources/tars.py",
    "data/prepared/sources/text.py",
    "metrics/features/encoder.py",
    "metrics/reference.py",
    "storage/arrays.py",
    "storage/curves.py",
    "storage/export.py",
    "storage/saved_run.py",
    "storage/stamps.py",
    "tensor_files.py",
}
# What they parse is the package's own, or an argument of the command line.
OWN = {
    "characters.py": "encodes what was decoded before",
    "commands/configs.py": "copies shipped configs",
    "commands/fit/callback_options.py": "parses options of the command line",
    "commands/fit/training.py": "parses what the parser printed",
    "commands/study/configs.py": "parses configs, which are code, and what `fit` printed",
    "commands/study/job.py": "copies a config",
    "commands/usage.py": "reads shipped configs",
    "data/prepared/split_files.py": "reads back what it has written",
    "data/sets/digits.py": "reads a file of an installed package",
    "metrics/features/fingerprint.py": "hashes a file",
    "plots/figures.py": "reads back what it has drawn",
}


def test_every_module_that_reads_files_is_fuzzed() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if READING.search(path.read_text(encoding="utf-8"))
    }
    assert found == COVERED | OWN.keys()
