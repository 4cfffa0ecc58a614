"""The paper's findings in miniature: studies of arms, each arm a dataset, a training and a trial."""
