"""What to do about each fault that the walk can name."""

from __future__ import annotations

REMEDIES: dict[str, str] = {
    "arms_swapped": "the two arms are exchanged: exchange their cables or bus names (or addresses) "
    "in the driver's settings, mark both arms, and walk again",
    "joints_swapped": "the driver gives two joints each other's names: correct its table of names "
    "or motor ids, and walk again",
    "others_moved": "clear what touches the arm; if nothing does, the driver moves more than it is "
    "told: compare its table of names, and couplings of its joints, with the embodiment",
    "nothing_moved": "is this a dry run? Are brakes and motors on, and the joint free? Otherwise "
    "the driver ignores that joint, or takes it in a unit in which this is nothing",
    "wrong_direction": "the driver's sign of that joint is not the embodiment's: correct it in the "
    "driver, for the command and for the measurement alike",
    "wrong_scale": "correct the unit in the driver, or state_wire and command_wire of that joint "
    "in its embodiment, so that both directions use the same",
    "moved_on_enable": "the driver does not go where it is told: unit, sign or name of that joint "
    "differ between what it reports and what it takes. Correct that before anything else moves",
    "too_slow": "find what holds it up: limits in the driver, its gains, a brake, a loaded machine",
    "slow": "look at the driver's own smoothing and at the load of its machine; the policy was "
    "trained on a robot that follows sooner",
    "not_back": "does something touch it? Otherwise gains or gravity compensation: read the "
    "driver's README",
    "cameras_swapped": "exchange the two cameras' cables or serial numbers, or their topics under "
    "graph.topics in the robot's file",
    "arms_or_cameras_swapped": "either the two arms or their two cameras are exchanged: see which "
    "arm moved, then exchange the cables or names of that pair, and walk again",
    "view_unchanged": "does that camera show that arm's hand, is it covered, is it too dark? Look: "
    "ros2 run rqt_image_view rqt_image_view",
    "seen_other_arm": "the two arms are exchanged, in the command and in the measurement alike: "
    "exchange their cables or bus names, mark both arms, and walk again",
    "seen_other_joint": "the driver's names of joints are exchanged in both directions: correct "
    "its table, and walk again",
    "seen_other_direction": "the sign of that joint is the other one in the driver, in both "
    "directions: correct it there, or the zero and the axis if the arm is mounted otherwise",
    "seen_nothing": "what is measured did not happen: does the driver repeat its commands as "
    "measurements, or is this another robot?",
    "estopped": "when it is safe: dreamzero reset-estop, and walk again",
    "disarmed": "put right what the message names, and walk again",
    "held": "put right what the message names (something stale: what loads this machine?), and go "
    "on from there with --joints",
    "stream_lost": "the walk's targets did not reach the controller: load of this machine, or the "
    "network; teleop/joint_commands must arrive at least every controller.teleop_max_age_s",
    "controller_silent": "does the controller run? Read its log, then walk again",
    "state_silent": "does the driver run, and proprioception? Read their logs, then walk again",
    "driver_fault": "clear the cause at the robot, then driver/clear_fault, and walk again",
    "driver_refuses": "the command that reached the driver is not one that it takes: unit, sign "
    "or name of the joint that it names differ on the wire",
    "policy_runs": "end the instruction (Ctrl-C of dreamzero run): the walk must be alone",
    "alarm": "see what moved, and walk again",
    "guard_lost": "was the walk suspended (Ctrl-Z), or the machine overloaded? Walk again",
    "not_enabled": "put right what the message names, and walk again",
    "interrupted": "walk again",
    "not_disabled": "PRESS THE EMERGENCY STOP of the robot; then find out why the controller does "
    "not answer",
}
