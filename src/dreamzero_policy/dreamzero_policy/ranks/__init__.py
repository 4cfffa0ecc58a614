"""One network over several processes: divided, started, led and followed (torch)."""
