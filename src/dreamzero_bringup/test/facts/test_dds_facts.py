"""What the environment says of ROS 2."""

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and the built workspace")

from dreamzero_bringup.facts import dds_facts
from dreamzero_bringup.facts.dds_facts import profile_error

pytestmark = pytest.mark.ros


def test_a_profile_file_is_parsed(tmp_path):
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_text("<profiles/>")
    bad.write_text("<profiles>")
    assert profile_error(str(good)) == ""
    assert profile_error(f"file://{good}") == ""
    assert "not XML" in profile_error(str(bad))
    assert "No such file" in profile_error(str(tmp_path / "none.xml"))
    assert profile_error("<CycloneDDS/>") == ""
    assert "not XML" in profile_error("<CycloneDDS>")


def test_only_what_is_set_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_DOMAIN_ID", "45")
    monkeypatch.setenv("ROS_STATIC_PEERS", "")
    monkeypatch.setenv("CYCLONEDDS_URI", str(tmp_path / "none.xml"))
    facts = dds_facts.look()
    assert facts.environment["ROS_DOMAIN_ID"] == "45"
    assert "ROS_STATIC_PEERS" not in facts.environment
    assert "No such file" in facts.profile_errors["CYCLONEDDS_URI"]
    assert facts.rmw.startswith("rmw_")
    assert facts.prefix_error == ""
