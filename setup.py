r"""What pyproject.toml can not say: the folder `configs` is installed as `energy_gans/configs`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["energy_gans*"]), "energy_gans.configs"],
    package_dir={"energy_gans.configs": "configs"},
    package_data={"energy_gans.configs": ["**/*"]},
)
