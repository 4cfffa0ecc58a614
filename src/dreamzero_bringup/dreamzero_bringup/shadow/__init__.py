"""Shadow mode: the policy runs on a human's motion, and is scored against what the human did."""
