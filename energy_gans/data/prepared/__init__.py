r"""Prepared sets: images decoded once, in files that training opens without reading them.

The format and its readers:

- `manifest.py`: `manifest.json`, which describes a set.
- `reader.py`: the format of the array files, and how a set is opened and verified.
- `sums.py`: the checksum of each image, and which images training checks.
- `module.py`: the base classes of the data modules that read prepared sets.

How a set is written:

- `sources/`: images and labels from archives, folders, parquet shards and the sets' own formats.
- `preprocessing.py`: from an encoded picture to the pixels of an image.
- `held_out.py`: which images are held out if the source has only training images.
- `pipeline.py`: the whole way from a source to a prepared set.
- `writer.py`: the folder of a set, written whole or not at all.
- `split_files.py`: the array files of one split.
"""
