r"""Sources: the images of data sets as people have them, read without unpacking or unpickling."""

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
