"""A checkpoint directory into a model: the only folder that knows upstream's names and files."""
