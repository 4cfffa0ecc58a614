"""What every node and driver stands on: lifecycle, parameters, QoS, diagnostics."""
