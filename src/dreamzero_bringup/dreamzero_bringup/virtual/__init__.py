"""The graph without its processes: gate, cameras, policy and recorder around a simulated robot,
on a clock that only this moves."""
