"""MuJoCo robots and cameras behind the topics of a hardware driver."""
