r"""Tiny ImageNet: 100,000 and 10,000 photographs of 64x64 pixels in 200 classes.

GGCN uses the original size, `size: 64`, with and without labels.

References:
    Tiny ImageNet Visual Recognition Challenge (Le and Yang, 2015)
"""

from __future__ import annotations

from ..prepared.module import StoredImages


class TinyImageNet(StoredImages):
    r"""Tiny ImageNet data module. Labels index the sorted WordNet names of the classes.

    Images have the shape :math:`(3, S, S)`, with :math:`S` = `size`.

    Arguments:
        kwargs: The arguments of :class:`StoredImages`.
    """

    command = "tinyimagenet"
    files = "tiny-imagenet-200.zip (of Stanford's course CS231n)"
    source = "tiny-imagenet-200.zip"
