"""Makes the fake i2rt importable; leaves tests out where there is no ROS."""

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore_glob = [] if find_spec("rclpy") else ["test_*.py"]
