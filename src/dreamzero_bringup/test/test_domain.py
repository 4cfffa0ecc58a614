"""A domain belongs to one run at a time, and to nobody once its process has ended."""

import socket
import subprocess
import sys

import pytest

from dreamzero_bringup import domain
from dreamzero_bringup.domain import DomainClaim, running


def test_two_claims_never_meet(tmp_path):
    first, second = DomainClaim(folder=tmp_path), DomainClaim(folder=tmp_path)
    assert first.domain_id != second.domain_id
    assert running(tmp_path) == sorted([first.domain_id, second.domain_id])
    first.release()
    second.release()
    assert running(tmp_path) == []


def test_a_domain_asked_for_that_another_run_holds_is_refused(tmp_path):
    with_lock = (
        "import sys, time; from pathlib import Path; from dreamzero_bringup.domain import *;"
        f"claim = DomainClaim(77, Path({str(tmp_path)!r}));"
        "print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", with_lock], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=rf"77 belongs to .*\(process {other.pid}\)"):
            DomainClaim(77, tmp_path)
        other.kill()
        other.wait()
        DomainClaim(77, tmp_path).release()
    finally:
        other.kill()


def test_release_twice(tmp_path):
    claim = DomainClaim(5, tmp_path)
    claim.release()
    claim.release()
    DomainClaim(5, tmp_path).release()


@pytest.mark.parametrize("domain_id", [-1, 233])
def test_an_id_that_does_not_exist_is_refused(tmp_path, domain_id):
    with pytest.raises(ValueError, match=f"expected 0 to 232, got {domain_id}"):
        DomainClaim(domain_id, tmp_path)


def test_a_domain_on_which_somebody_listens_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(domain, "DOMAINS", range(99, 101))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
        somebody.bind(("", 7400 + 250 * 99))
        claim = DomainClaim(folder=tmp_path)
        assert claim.domain_id == 100
        with pytest.raises(ValueError, match="no free ROS domain id among 99 to 100"):
            DomainClaim(folder=tmp_path)
        claim.release()


def test_two_sides_of_one_robot_share_a_domain_in_either_order(tmp_path):
    for first, second in (("robot", "policy"), ("policy", "robot")):
        one = DomainClaim(folder=tmp_path, side=first, robot="yam")
        other = DomainClaim(folder=tmp_path, side=second, robot="yam")
        assert one.domain_id == other.domain_id
        assert running(tmp_path) == [one.domain_id]
        one.release()
        assert running(tmp_path) == [other.domain_id]
        back = DomainClaim(folder=tmp_path, side=first, robot="yam")  # as after a restart
        assert back.domain_id == other.domain_id
        back.release()
        other.release()
        assert running(tmp_path) == []


def test_a_side_joins_no_other_robot_and_no_whole_run(tmp_path):
    whole = DomainClaim(folder=tmp_path, robot="yam")
    arm = DomainClaim(folder=tmp_path, side="robot", robot="droid")
    policy = DomainClaim(folder=tmp_path, side="policy", robot="yam")
    assert len({whole.domain_id, arm.domain_id, policy.domain_id}) == 3
    with pytest.raises(ValueError, match=r"its robot side runs droid, not yam"):
        DomainClaim(arm.domain_id, tmp_path, side="policy", robot="yam")
    with pytest.raises(ValueError, match=r"the robot side of domain id .*\(process \d+\)"):
        DomainClaim(arm.domain_id, tmp_path, side="robot", robot="droid")
    with pytest.raises(ValueError, match=f"domain id {policy.domain_id} belongs to another"):
        DomainClaim(policy.domain_id, tmp_path, robot="yam")
    assert running(tmp_path) == sorted([whole.domain_id, arm.domain_id, policy.domain_id])
    for claim in (whole, arm, policy):
        claim.release()


def test_a_side_that_could_join_several_runs_asks_which(tmp_path):
    held = [DomainClaim(number, tmp_path, side="robot", robot="yam") for number in (7, 9)]
    with pytest.raises(ValueError, match="yam without a policy side are on domains 7, 9"):
        DomainClaim(folder=tmp_path, side="policy", robot="yam")
    joined = DomainClaim(9, tmp_path, side="policy", robot="yam")
    last = DomainClaim(folder=tmp_path, side="policy", robot="yam")
    assert last.domain_id == 7
    for claim in (*held, joined, last):
        claim.release()


def test_two_sides_that_start_at_once_meet(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from dreamzero_bringup.domain import *;"
        f"claim = DomainClaim(folder=Path({str(tmp_path)!r}), side=sys.argv[1], robot='yam');"
        "print(claim.domain_id, flush=True); time.sleep(60)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, side], stdout=subprocess.PIPE, text=True)
        for side in ("robot", "policy")
    ]
    try:
        assert len({process.stdout.readline() for process in started}) == 1
    finally:
        for process in started:
            process.kill()
            process.wait()
