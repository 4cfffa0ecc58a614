"""Definitions of messages without a ROS installation, and small episodes."""

from small_bags import facts, messages, new_bag

__all__ = ["facts", "messages", "new_bag"]
