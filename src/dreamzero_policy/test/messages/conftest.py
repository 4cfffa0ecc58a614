"""Without rclpy there is nothing to test here."""

from importlib.util import find_spec

if not find_spec("rclpy"):
    collect_ignore_glob = ["test_*.py"]
