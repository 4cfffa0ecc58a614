"""Installs the node graph, the launch files and the workspace's config/ folder."""

from glob import glob
from os.path import isfile

from setuptools import find_packages, setup

NAME = "dreamzero_bringup"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", glob("launch/*.launch.py")),
        (f"share/{NAME}/config", glob("../../config/*.yaml")),
        (f"share/{NAME}/config/dds", glob("../../config/dds/*")),
        (
            f"share/{NAME}/config/robots",
            glob("../../config/robots/*.yaml") + glob("../../config/robots/*.py"),
        ),
        *(
            (f"share/{NAME}/{folder[6:]}", [path for path in glob(f"{folder}/*") if isfile(path)])
            for policy in glob("../../config/checkpoints/*")
            for folder in (policy, f"{policy}/experiment_cfg")
        ),
    ],
    license="Apache-2.0",
)
