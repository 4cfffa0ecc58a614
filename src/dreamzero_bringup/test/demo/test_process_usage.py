"""CPU and memory of processes."""

import os

from dreamzero_bringup.demo.process_usage import ProcessUsage


def test_a_busy_process_has_cpu_and_memory_and_a_dead_one_is_left_out():
    usage = ProcessUsage({"me": os.getpid(), "nobody": 2**22 + 7})
    sum(i * i for i in range(2_000_000))
    usage.sample(share=True)
    result = usage.result()
    assert list(result) == ["me"]
    assert result["me"].cpu_percent > 1  # a busy machine gives it little
    assert result["me"].resident_mib >= result["me"].share_mib > 5
