"""The nodes: messages in and out of the core, and what each of them says of itself."""
