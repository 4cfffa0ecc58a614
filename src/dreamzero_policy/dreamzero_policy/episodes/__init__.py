"""What a crew does with recorded episodes: look, judge, trim, tag, throw away, carry elsewhere.

Without ROS and without torch. What needs a policy or a simulated robot is in
``dreamzero_bringup/episodes``.
"""
