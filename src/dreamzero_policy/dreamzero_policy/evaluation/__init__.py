"""How good a policy is: one way to ask any of them, figures with errors, scores on recordings."""
