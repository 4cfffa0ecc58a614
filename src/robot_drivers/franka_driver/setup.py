"""Installs the Franka driver."""

from setuptools import find_packages, setup

NAME = "franka_driver"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml", "README.md"]),
    ],
    entry_points={"console_scripts": [f"driver_node = {NAME}.driver_node:main"]},
    license="Apache-2.0",
)
