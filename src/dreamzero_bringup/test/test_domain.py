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
