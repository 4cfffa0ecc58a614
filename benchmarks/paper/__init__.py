"""The paper's findings in miniature: studies of arms, each data, a training and trials of it."""
