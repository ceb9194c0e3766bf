r"""Sources: the images of data sets in the files that people have, neither unpacked nor unpickled.

- `records.py`: what every source yields, and how images get their splits.
- `catalog.py`: the source of each data set.
- `picture_files.py`, `folders.py`: pictures in folders and archives; their splits and classes.
- `containers.py`, `tars.py`, `archive_names.py`: how folders, zip and tar archives are listed and
  read.
- `limits.py`: which files are refused because of their kind or size.
- `cifar.py`, `lmdb_files.py`, `lsun.py`, `mnist.py`, `parquet.py`, `svhn.py`: one format each.
"""

from .catalog import celeba_source, cifar_source, folder_source, svhn_source, tiny_imagenet_source
from .cifar import load_cifar
from .folders import Labels
from .lsun import lsun_source
from .records import Record, Source, check_hold_out
from .svhn import load_svhn

__all__ = [
    "Labels",
    "Record",
    "Source",
    "celeba_source",
    "check_hold_out",
    "cifar_source",
    "folder_source",
    "load_cifar",
    "load_svhn",
    "lsun_source",
    "svhn_source",
    "tiny_imagenet_source",
]
