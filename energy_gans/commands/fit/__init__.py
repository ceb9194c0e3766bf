r"""`energy-gans fit`, `validate`, `test` and `predict`: LightningCLI, and what every run has."""
