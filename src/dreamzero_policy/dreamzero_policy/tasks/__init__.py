"""What a crew records: areas, tasks, episode plans, counts, and the sheets and logs made of them.

Everything is in one SQLite file (``store.py``). Standard library only, so that a recorder, a laptop
without ROS and a test use the same functions. The clock comes in as integer nanoseconds.
"""
