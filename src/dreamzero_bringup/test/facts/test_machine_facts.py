"""What this machine says of itself."""

import string

from hypothesis import given
from hypothesis import strategies as st

from dreamzero_bringup.facts import machine_facts
from dreamzero_bringup.facts.machine_facts import Gpu, Pin, parse_gpus, read_pins, try_realtime

MIB = 1 << 20


def test_this_machine_can_be_looked_at(monkeypatch):
    asked = []
    monkeypatch.setattr(machine_facts, "_attempt", lambda code: asked.append(code) or "")
    facts = machine_facts.look(sim=True)
    assert facts.cpus >= 1
    assert 0 < facts.memory_free <= facts.memory
    assert facts.pins["robot"]["numpy"].installed
    assert any("egl" in code for code in asked)


def test_an_attempt_reports_the_last_line():
    assert machine_facts._attempt("pass") == ""
    assert machine_facts._attempt("raise OSError('no EGL here')") == "OSError: no EGL here"
    assert machine_facts._attempt("import os; os._exit(3)") == "exit code 3"


def test_pins_are_read_with_extras_and_comments(tmp_path):
    (tmp_path / "robot.txt").write_text(
        "# what runs\nnumpy==2.4.6    # arrays\nno-such-package[fast]==1.0\n\n-r other.txt\n"
    )
    pins = read_pins(tmp_path)["robot"]
    assert pins["no-such-package"] == Pin("1.0", None)
    assert pins["numpy"].wanted == "2.4.6"
    assert list(pins) == ["numpy", "no-such-package"]


def test_gpus_of_an_answer():
    answer = "NVIDIA H200, 143771, 142900, 570.86\nbroken line\nGB10, [N/A], [N/A], 580.1\n"
    assert parse_gpus(answer) == (Gpu("NVIDIA H200", 143_771 * MIB, 142_900 * MIB, "570.86"),)


@given(st.text(alphabet=string.printable, max_size=200))
def test_no_answer_of_the_gpu_driver_breaks_it(answer):
    assert all(gpu.total >= 0 for gpu in parse_gpus(answer))


def test_asking_for_priority_leaves_this_thread_as_it_was():
    import os

    before = os.sched_getscheduler(0)
    assert try_realtime(5) in (True, False)
    assert os.sched_getscheduler(0) == before
