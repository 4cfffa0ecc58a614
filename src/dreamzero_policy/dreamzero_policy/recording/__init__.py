"""Streams of a running robot into episodes, watched while they are recorded."""
