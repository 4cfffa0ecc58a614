"""Our numbers against those of the reference: every case of a directory of golden files."""
