"""The parameters, and the file that says them."""

from pathlib import Path

import pytest
import yaml

from dreamzero_policy.ros.parameters import resolve
from franka_driver.parameters import FrankaDriverParameters

CONFIG = Path(__file__).resolve().parents[4] / "config" / "franka_driver.yaml"
NEEDED = {"robot": "droid", "arm": "fr3"}


@pytest.mark.skipif(not CONFIG.is_file(), reason="not in the source tree")
def test_the_file_names_every_parameter_at_its_default():
    said = yaml.safe_load(CONFIG.read_text())["/**"]["ros__parameters"]
    assert resolve(FrankaDriverParameters, {**NEEDED, **said}) == resolve(
        FrankaDriverParameters, NEEDED
    )
    fields = set(FrankaDriverParameters.__dataclass_fields__)
    assert fields - set(said) == {"robot", "autostart", "arm"}


def test_the_arm_has_no_default():
    with pytest.raises(ValueError, match="parameter arm is not set"):
        resolve(FrankaDriverParameters, {"robot": "droid"})
