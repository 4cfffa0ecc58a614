"""The `dreamzero` command: argument parsing only."""
