"""No engine builds the images here, so what can be said of their files without one is checked."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from dreamzero_bringup.facts.dds_facts import PROFILES
from dreamzero_bringup.graph import graph
from dreamzero_bringup.graph.options import Options
from dreamzero_policy import embodiments

ROOT = Path(__file__).parents[3]
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile.*"))
COMPOSE = ROOT / "docker" / "compose.yaml"
SCRIPTS = sorted([*(ROOT / "scripts").glob("*.sh"), *(ROOT / "docker").glob("*.sh")])
LISTS = sorted((ROOT / "scripts" / "apt").glob("*.txt"))
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def instructions(text):
    """(name, rest) of every instruction; continued lines are joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def complaints(text):
    """What is wrong with a Dockerfile, in words."""
    steps = instructions(text)
    values = dict(rest.split("=", 1) for name, rest in steps if name == "ARG" and "=" in rest)
    found = [f"no {name}" for name in ("FROM", "USER", "HEALTHCHECK") if name not in dict(steps)]
    user = "root"
    for name, rest in steps:
        if name == "FROM":
            base = VARIABLE.sub(lambda match: values.get(match[1], ""), rest).split()[0]
            if not re.search(r"[^:/]:[\w.-]+$|@sha256:[0-9a-f]{64}$", base):
                found.append(f"base {base!r} is not pinned")
            if base.endswith(":latest"):
                found.append(f"base {base!r} is whatever is newest")
        if name == "ADD":
            found.append("ADD unpacks and downloads: COPY says what it does")
        if name == "COPY":
            found += [
                f"COPY of {source}, which is not there"
                for source in shlex.split(rest)[:-1]
                if not source.startswith("--") and not (ROOT / source).exists()
            ]
        if name in ("RUN", "CMD", "ENTRYPOINT") and re.search(r"(curl|wget)[^&;]*\|", rest):
            found.append(f"runs what it downloads: {rest}")
        if name == "RUN" and re.search(r"\b(apt-get|pip3?|colcon|useradd)\b", rest):
            found.append(f"installs by itself, not by a script: {rest}")
        if name == "RUN":
            found += [
                f"no script {script}"
                for script in re.findall(r"\bscripts/[\w/.-]+", rest)
                if not (ROOT / script).exists()
            ]
        if name == "USER":
            user = rest.strip()
    if user.partition(":")[0] in ("root", "0"):
        found.append("runs as root")
    return found


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_is_sound(path):
    assert complaints(path.read_text()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("ubuntu:22.04", "ubuntu"), "is not pinned"),
        (("ubuntu:22.04", "ubuntu:latest"), "whatever is newest"),
        (("ubuntu:22.04", "localhost:5000/ubuntu"), "is not pinned"),
        (("USER dreamzero", "USER root"), "runs as root"),
        (("USER dreamzero", ""), "no USER"),
        (("HEALTHCHECK", "LABEL"), "no HEALTHCHECK"),
        (("COPY scripts", "COPY scirpts"), "COPY of scirpts"),
        (("COPY scripts", "ADD scripts"), "ADD unpacks"),
        (("RUN scripts/install_apt.sh", "RUN scripts/instal_apt.sh"), "no script"),
        (("RUN scripts/add_user.sh", "RUN curl -fsSL x.org/i | sh && x"), "runs what it downloads"),
        (("RUN scripts/add_user.sh", "RUN apt-get install"), "not by a script"),
    ],
)
def test_what_is_wrong_with_a_dockerfile_is_said(change, said):
    text = (ROOT / "docker" / "Dockerfile.agibot-bridge").read_text()
    assert change[0] in text
    assert any(said in complaint for complaint in complaints(text.replace(*change)))


def test_torch_is_in_the_policy_image_alone():
    texts = {path.name: path.read_text() for path in DOCKERFILES}
    assert {name for name, text in texts.items() if "requirements/policy.txt" in text} == {
        "Dockerfile.policy"
    }
    assert "torch" not in (ROOT / "requirements" / "robot.txt").read_text().partition("#")[0]


def test_the_health_check_names_nodes_of_its_side():
    for side in ("robot", "policy"):
        nodes = {node.name for node in graph.build(Options("droid", side=side))}
        steps = dict(instructions((ROOT / "docker" / f"Dockerfile.{side}").read_text()))
        command = yaml.safe_load(steps["HEALTHCHECK"].partition("CMD")[2])
        named = set(command[command.index("/opt/build/scripts/healthcheck.py") + 1 :])
        assert named
        assert named <= nodes


def services():
    return yaml.safe_load(COMPOSE.read_text())["services"]


def defaults(text):
    """A value of the compose file where nothing is set in the shell."""
    return VARIABLE.sub(lambda match: match[2] or "", text)


def test_compose_has_a_profile_for_each_robot_and_the_simulation():
    profiles = {profile for service in services().values() for profile in service["profiles"]}
    assert profiles == {*embodiments.names(), "sim", "discovery"}


@pytest.mark.parametrize("name", services())
def test_a_service_builds_from_what_is_there_and_shares_the_hosts_network(name):
    service = services()[name]
    build = service["build"]
    context = (COMPOSE.parent / build["context"]).resolve()
    assert context == ROOT
    dockerfile = context / build["dockerfile"]
    assert dockerfile in DOCKERFILES
    steps = instructions(dockerfile.read_text())
    declared = {rest.partition("=")[0] for key, rest in steps if key == "ARG"}
    assert set(build["args"]) <= declared
    assert (service["network_mode"], service["ipc"]) == ("host", "host")
    assert "privileged" not in service
    assert "user" not in service
    for volume in service.get("volumes", []):
        source, target, *mode = defaults(volume).split(":")
        assert target.startswith("/")
        if source == "compiled":  # a named volume, which takes the image's owner
            assert target == "/home/dreamzero/.cache/dreamzero"
            assert f"install -d -o dreamzero /models /bags /home/dreamzero/.cache {target}" in (
                dockerfile.read_text()
            )
            continue
        assert source.startswith("../")
        assert mode == ([] if target == "/bags" else ["ro"])


@pytest.mark.parametrize("name", [n for n in services() if n.endswith(("-robot", "-policy"))])
def test_a_command_of_a_service_is_one_that_dreamzero_takes(name):
    from dreamzero_policy.cli.main import parser

    service = services()[name]
    words = [defaults(word) for word in service["command"]]
    said = parser().parse_args(words[1:])
    assert str(said.config_dir) == "/config"
    assert said.side == name.rpartition("-")[2]
    assert said.sim == name.startswith("sim-")
    assert said.robot in embodiments.names()
    if not said.sim:
        assert service["profiles"] == [said.robot]
        assert name == f"{said.robot}-{said.side}"
    if said.side == "robot":
        assert service["ulimits"]["rtprio"] >= 20
        assert "deploy" not in service
    # The other name of Fast DDS's variable is that of version 3: Jazzy's passes over it in silence.
    assert set(service["environment"]) > {*PROFILES} - {"FASTDDS_DEFAULT_PROFILES_FILE"}


def test_the_gpu_is_reserved_for_the_policies_of_real_robots():
    reserving = {name for name, service in services().items() if "deploy" in service}
    assert reserving == {f"{robot}-policy" for robot in embodiments.names()}


def test_services_of_one_image_build_it_alike():
    by_image = {}
    for service in services().values():
        by_image.setdefault(service["image"], []).append(service["build"])
    assert all(builds.count(builds[0]) == len(builds) for builds in by_image.values())
    assert not any(image.endswith(":latest") for image in by_image)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_parses_stops_at_errors_and_can_be_run(path):
    subprocess.run(["bash", "-n", path], check=True)
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert re.search(r"^set -eu?o pipefail$", text, re.MULTILINE)
    assert path.stat().st_mode & 0o111


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_a_list_of_packages_holds_one_name_a_line_and_is_used(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line) for line in lines)
    users = [*DOCKERFILES, ROOT / "scripts" / "setup.sh"]
    assert any(
        f"apt/{path.name}" in user.read_text() or f"packages {path.stem})" in user.read_text()
        for user in users
    )


def test_makers_packages_are_installed_as_the_drivers_ask_for_them():
    script = (ROOT / "scripts" / "install_vendor.sh").read_text()
    drivers = ROOT / "src" / "robot_drivers"
    asked = (drivers / "yam_driver/yam_driver/vendor.py").read_text()
    commit = re.search(r'COMMIT = "([0-9a-f]{40})"', asked)[1]
    assert f"i2rt.git@{commit}" in script
    more = re.search(r"&& pip install ([^\"]+)\"", asked)[1]
    assert f"pip {more}" in script
    franky = (drivers / "franka_driver/franka_driver/franky_arm.py").read_text()
    assert re.search(r"\S+/by-robot-server-version/5/", franky)[0] in script
    assert 'pip franky-control "${@:2}"' in script
    cases = set(re.findall(r"^  ([\w|]+)\)", script, re.MULTILINE))
    built = {service["build"]["args"].get("VENDOR", "none") for service in services().values()}
    assert {defaults(vendor) for vendor in built} <= cases
