"""``dreamzero record``: the recorder beside a running graph, and a crew's console."""
