r"""The data sets by name, each a LightningDataModule of few members."""
