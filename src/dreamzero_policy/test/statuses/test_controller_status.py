"""What the controller says of itself: every figure of the report, and since when who leads."""

from dataclasses import fields

from dreamzero_policy.control.report import Authority, Mode, Report
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.ros.ticker import Timing
from dreamzero_policy.statuses.controller_status import authority_message, controller_status

REPORT = Report(
    mode=Mode.RELEASED,
    enabled=False,
    hold_reason="released",
    message="in full",
    session=3,
    sequence=4,
    chunk_age_s=0.5,
    rows_left=6.5,
    chunks_accepted=7,
    chunks_refused=8,
    rows_skipped=9,
    values_clamped=10,
    last_refusal="stale: old",
    limited=("b",),
    limited_ticks=(0, 11),
    ticks=12,
    ticks_without_chunk=13,
    states_refused=14,
    authority=Authority.HANDING_BACK,
    estopped=True,
    released=True,
    playback=0.25,
    delay_s=0.75,
    state_age_s=0.125,
    driver_age_s=1.5,
    overruns=15,
)


def test_every_figure_is_in_the_message():
    message = controller_status(REPORT, ("a", "b"), Timing(0.5, 0.25, 0.125), now_ns=99)
    assert nanoseconds(message.header.stamp) == 99
    assert (message.mode, message.estopped, message.authority) == (4, True, 3)
    ages = {"delay": 0.75, "state_age": 0.125, "driver_age": 1.5, "chunk_age": 0.5}
    for name, seconds in ages.items():
        assert nanoseconds(getattr(message, name)) == seconds * 1e9, name
    assert (message.session_id, list(message.limited_joints)) == (3, ["b"])
    assert (list(message.joint_names), list(message.limited_ticks)) == (["a", "b"], [0, 11])
    same = {field.name for field in fields(Report)} & set(message.get_fields_and_field_types())
    same -= {*ages, "mode", "limited_ticks"}
    assert len(same) >= 15
    for name in same:
        assert getattr(message, name) == getattr(REPORT, name), name
    assert (message.period_mean, message.period_worst, message.tick_cpu) == (0.5, 0.25, 0.125)


def test_authority_is_stamped_with_the_time_from_which_it_holds():
    from dreamzero_msgs.msg import Authority as Message

    first = authority_message(Authority.NOBODY, 10, Message())
    assert (first.source, nanoseconds(first.header.stamp)) == (Message.NOBODY, 10)
    assert authority_message(Authority.NOBODY, 20, first) is first
    then = authority_message(Authority.HUMAN, 30, first)
    assert (then.source, nanoseconds(then.header.stamp)) == (Message.HUMAN, 30)
