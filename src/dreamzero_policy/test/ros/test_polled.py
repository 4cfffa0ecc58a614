"""A subscription that nothing wakes up for."""

import pytest
from rclpy.qos import QoSProfile
from std_msgs.msg import Int32

from dreamzero_policy.ros.polled import Polled

pytestmark = pytest.mark.ros


def test_messages_wait_until_they_are_taken(bench):
    polled = Polled(bench.node, Int32, "numbers", QoSProfile(depth=2))
    assert polled.take() is None
    publisher = bench.node.create_publisher(Int32, "numbers", QoSProfile(depth=10))
    bench.spin_until(lambda: publisher.get_subscription_count() == 1)
    for number in range(5):
        publisher.publish(Int32(data=number))
    bench.spin(0.5)  # the executor leaves them alone
    assert [polled.take().data, polled.take().data, polled.take()] == [3, 4, None]
