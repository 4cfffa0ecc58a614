"""ROS messages to and from the stack's own types: times, chunks, joints, images (no rclpy)."""
