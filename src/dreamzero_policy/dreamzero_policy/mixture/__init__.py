"""What there is to learn from: windows of datasets, how often each is drawn, encoded (torch)."""
