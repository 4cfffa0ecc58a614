"""Parameters from a dataclass: what is accepted, what is refused and how it is said."""

import uuid
from dataclasses import dataclass

import pytest
import rclpy
from rclpy.parameter import Parameter

from dreamzero_policy.ros.parameters import NodeParameters, declare, parameter, resolve


@dataclass(frozen=True, kw_only=True)
class Settings(NodeParameters):
    rate_hz: float = parameter(30.0, "Rate [Hz].", at_least=1.0, at_most=100.0)
    retries: int = parameter(3, "Tries.", at_least=0)
    mode: str = parameter("fast", "How.", choices=("fast", "safe"))
    views: tuple[str, ...] = parameter((), "Names.")
    gains: tuple[float, ...] = parameter((1.0,), "Gains.", at_most=2.0)
    verbose: bool = parameter(False, "Talk.", live=True)
    level: int = parameter(1, "How much to talk.", at_least=0, at_most=3, live=True)


def test_defaults_and_overrides_have_the_types_of_the_fields():
    made = resolve(
        Settings, {"robot": "droid", "rate_hz": 10, "views": ["a", "b"], "gains": [1, 0.5]}
    )
    assert made == Settings(robot="droid", rate_hz=10.0, views=("a", "b"), gains=(1.0, 0.5))
    assert isinstance(made.rate_hz, float)
    assert all(isinstance(gain, float) for gain in made.gains)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({}, "parameter robot is not set and has no default: expected a string"),
        ({"rate": 1.0}, "unknown parameter rate: did you mean rate_hz\\? Known parameters: autost"),
        ({"xyzzy": 1}, "unknown parameter xyzzy: Known parameters"),
        ({"rate_hz": "30"}, "rate_hz: expected a number, got '30' \\(str\\)"),
        ({"rate_hz": True}, "rate_hz: expected a number, got True"),
        ({"rate_hz": 0.5}, "rate_hz: expected at least 1.0 and at most 100.0, got 0.5"),
        ({"rate_hz": float("nan")}, "rate_hz: expected a finite number, got nan"),
        ({"retries": 1.5}, "retries: expected an integer, got 1.5 \\(float\\)"),
        ({"retries": True}, "retries: expected an integer, got True"),
        ({"retries": -1}, "retries: expected at least 0, got -1"),
        ({"mode": "slow"}, "mode: expected one of fast, safe, got 'slow'"),
        ({"mode": ["fast"]}, "mode: expected a string"),
        ({"views": "wrist"}, "views: expected a list of strings, got 'wrist'"),
        ({"views": [1]}, "views: expected a list of strings, got \\[1\\]"),
        ({"gains": [0.5, 3.0]}, "gains: expected at most 2.0, got 3.0"),
        ({"verbose": 1}, "verbose: expected true or false, got 1"),
    ],
)
def test_what_an_installation_gets_wrong_is_named(overrides, message):
    robot = {} if not overrides else {"robot": "droid"}
    with pytest.raises(ValueError, match=message):
        resolve(Settings, robot | overrides)


@pytest.fixture
def make_node(domain):
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def make(**overrides):
        nodes.append(
            rclpy.create_node(
                f"n{uuid.uuid4().hex}",
                context=context,
                parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()],
            )
        )
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


@pytest.mark.ros
def test_declared_parameters_are_described_and_read_only(make_node):
    node = make_node(robot="droid", use_sim_time=False, rate_hz=5)
    made = declare(node, Settings)
    assert made.rate_hz == 5.0
    assert node.get_parameter("rate_hz").value == 5.0
    assert node.get_parameter("views").value == []
    told = node.describe_parameter("rate_hz")
    assert told.read_only
    assert told.description == "Rate [Hz]."
    assert (told.floating_point_range[0].from_value, told.floating_point_range[0].to_value) == (
        1.0,
        100.0,
    )
    assert node.describe_parameter("mode").additional_constraints == "one of fast, safe"
    assert not node.set_parameters([Parameter("rate_hz", value=6.0)])[0].successful
    assert made.rate_hz == 5.0


@pytest.mark.ros
def test_a_live_parameter_is_checked_and_handed_over(make_node):
    node, seen = make_node(robot="droid"), []

    def take(settings):
        if settings.level == 3:
            raise ValueError("not so much")
        seen.append(settings)

    declare(node, Settings, take)
    assert node.set_parameters([Parameter("verbose", value=True)])[0].successful
    assert node.set_parameters([Parameter("level", value=2)])[0].successful
    assert (seen[-1].verbose, seen[-1].level) == (True, 2)
    for value, why in ((7, ""), (3, "not so much")):
        result = node.set_parameters([Parameter("level", value=value)])[0]
        assert not result.successful
        assert why in result.reason
    assert len(seen) == 2
    assert node.get_parameter("level").value == 2


@pytest.mark.ros
def test_an_unknown_override_of_a_node_is_refused(make_node):
    with pytest.raises(ValueError, match="unknown parameter verbos: did you mean verbose"):
        declare(make_node(robot="droid", verbos=True), Settings)
