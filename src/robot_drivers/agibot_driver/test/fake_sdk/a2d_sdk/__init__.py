"""Stands in for AgiBot's SDK; see robot.py."""
