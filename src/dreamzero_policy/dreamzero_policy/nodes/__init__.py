"""The only code that imports rclpy: messages in and out of the core."""
