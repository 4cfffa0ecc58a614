"""What every node and driver stands on: lifecycle, parameters, messages, QoS, diagnostics."""
