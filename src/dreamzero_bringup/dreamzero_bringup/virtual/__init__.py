"""The graph without processes: gate, policy and recorder around a robot in virtual time."""
