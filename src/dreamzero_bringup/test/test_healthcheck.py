"""What containers are asked for their health with."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.operator_client import spinning
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.diagnostics import Diagnosis, Level, diagnostic_array

SCRIPTS = Path(__file__).parents[3] / "scripts"

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:B7FC 00000000:0000 0A 00000000:{waiting:08X} 00:00000000 00000000  1000
   1: 0100007F:B7FC 0100007F:9C40 01 00000000:00000005 00:00000000 00000000  1000
"""


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_speakers_are_the_nodes_and_not_their_parts():
    names = ["dreamzero/controller: robot", "dreamzero/controller: chunks", "camera: usb", ""]
    assert load("healthcheck").speakers(names) == {"controller"}


@pytest.mark.parametrize(
    ("port", "waiting", "said"),
    [(47100, 0, ""), (47100, 2, "2 connections wait"), (47101, 0, "nobody listens on port 47101")],
)
def test_a_server_lives_while_it_listens_and_accepts(port, waiting, said):
    complaint = load("healthcheck_port").complaint(port, TABLE.format(waiting=waiting))
    assert complaint.startswith(said)
    assert bool(complaint) == bool(said)


def test_a_server_that_no_longer_accepts_is_found_in_the_kernels_table():
    script = [sys.executable, SCRIPTS / "healthcheck_port.py"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert subprocess.run([*script, str(port)]).returncode == 0
        with socket.create_connection(("127.0.0.1", port)):
            found = subprocess.run([*script, str(port)], capture_output=True, text=True)
            assert found.returncode == 1
            assert "1 connections wait" in found.stderr
    assert subprocess.run([*script, str(port)], capture_output=True).returncode == 1
    assert subprocess.run([*script, "port"], capture_output=True).returncode == 2


@pytest.mark.ros
def test_a_node_that_is_silent_is_named_and_one_that_speaks_is_not(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    claim = DomainClaim()
    env = {**os.environ, "ROS_DOMAIN_ID": str(claim.domain_id)}
    fault = Diagnosis("robot", Level.ERROR, "a fault, which is no reason to restart anything")
    message = diagnostic_array("controller", "droid", [fault], 0)
    command = [sys.executable, SCRIPTS / "healthcheck.py", "--patience"]
    with spinning("speaker", claim.domain_id) as node:
        publisher = node.create_publisher(type(message), "/diagnostics", qos.DIAGNOSTICS)
        node.create_timer(0.1, lambda: publisher.publish(message))
        heard = subprocess.run([*command, "20", "controller"], env=env, capture_output=True)
        assert (heard.returncode, heard.stderr) == (0, b"")
        both = [*command, "6", "controller", "policy"]
        missed = subprocess.run(both, env=env, capture_output=True, text=True)
    claim.release()
    assert missed.returncode == 1
    assert missed.stderr.strip() == "nothing on /diagnostics in 6 s from: policy"
