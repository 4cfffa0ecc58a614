"""What `dreamzero new-robot` writes: the files of a robot that does not come with this stack."""
