"""Quality of service by purpose: every publisher and subscription uses one of these names."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

CAMERA = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Camera images: the newest one, a lost one is not sent again."""

STATE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Joint states and proprioception, for whoever publishes them."""

STATE_INPUT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Joint states and proprioception, for whoever listens: matches any publisher's reliability."""

MEASUREMENTS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Joint states for whoever interpolates: deep, so that a busy moment overwrites none unread."""

STATE_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Proprioception for whoever looks at it now and then."""

CANVAS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Canvases: the context needs every one of them."""

CHUNK = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Action chunks: only the newest matters, and it must arrive."""

COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Commands to a driver: only the newest matters, and it must arrive."""

TARGETS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
"""A human's targets, from whatever device."""

STATUS = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Status reports: latched, so that a late listener sees the last one."""

PICTURE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Images for people: reliable, since viewers ask for that by default."""

PREDICTION = QoSProfile(depth=32, reliability=ReliabilityPolicy.RELIABLE)
"""Predicted canvases: a whole chunk's worth comes at once."""

DIAGNOSTICS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Diagnostics: what the usual ROS tools ask for."""
