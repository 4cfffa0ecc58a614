"""Installs the package, its nodes under lib/, and the `dreamzero` command under bin/."""

from setuptools import find_packages, setup

NAME = "dreamzero_policy"
NODES = [
    "camera_tiler_node",
    "proprioception_node",
    "policy_node",
    "controller_node",
    "recorder_node",
    "replay_node",
]

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        ("bin", ["bin/dreamzero"]),
    ],
    entry_points={"console_scripts": [f"{node} = {NAME}.nodes.{node}:main" for node in NODES]},
    license="Apache-2.0",
)
