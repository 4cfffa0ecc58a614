"""What ``dreamzero doctor`` looks at: facts are gathered, pure checks turn them into findings."""
