r"""Data sets, one LightningDataModule a file."""
