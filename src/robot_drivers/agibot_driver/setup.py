"""Installs the AgiBot G1's driver; agibot_bridge also runs by itself, beside the maker's SDK."""

from setuptools import find_packages, setup

NAME = "agibot_driver"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"agibot_bridge": ["*.md", "*.txt"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml", "README.md"]),
    ],
    entry_points={"console_scripts": [f"driver_node = {NAME}.driver_node:main"]},
    license="Apache-2.0",
)
