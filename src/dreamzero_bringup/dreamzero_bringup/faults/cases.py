"""The rows of the suite: every fault, what it must lead to, and where its deadline comes from."""

from __future__ import annotations

from dreamzero_bringup.faults import checks
from dreamzero_bringup.faults import deadlines as due
from dreamzero_bringup.faults import injections as do
from dreamzero_bringup.faults.trial import Fault

_PAUSE_S = 3.0
_CLOCK_S = 0.3
_CHUNK_S = 2.6
"""Long enough to see the end of any chunk, and the hold."""

_SOON_S = 1.0

_STALE_STATE = due.after("controller", "state_max_age_s")

FAULTS: tuple[Fault, ...] = (
    # Nodes that die
    Fault("kill -9 driver", "holds", do.kill("sim_driver"),
          _STALE_STATE, _SOON_S,
          ("stale_state", "stale_driver"), disarms=True, restarts_robot=True),
    Fault("kill -9 camera_tiler", "holds", do.kill("camera_tiler"), due.chunk_end, _CHUNK_S,
          ("stale_chunk",)),
    Fault("kill -9 proprioception", "holds", do.kill("proprioception"),
          _STALE_STATE, _SOON_S, ("stale_state",)),
    Fault("kill -9 policy", "holds", do.kill("policy"), due.chunk_end, _CHUNK_S, ("stale_chunk",),
          disarms=True),
    Fault("driver restarts", "holds", do.restart_driver, _STALE_STATE, 6.0,
          ("stale_state", "stale_driver", "driver_restarted"), disarms=True, estop=True,
          restarts_robot=True),
    # Nodes that hang
    Fault("SIGSTOP policy for 3 s", "holds", do.pause("policy"), due.chunk_end, _PAUSE_S,
          ("stale_chunk",), after=checks.late_chunks_refused),
    Fault("SIGSTOP proprioception (stale joint state)", "holds", do.pause("proprioception"),
          _STALE_STATE, _SOON_S, ("stale_state",),
          clear=do.resume("proprioception")),
    Fault("SIGSTOP driver for 1 s", "holds", do.pause("sim_driver"), _STALE_STATE, _SOON_S,
          ("stale_state", "stale_driver"), clear=do.resume("sim_driver"), restarts_robot=True),
    # Chunks
    *(
        Fault(f"chunk: {what}", "holds", do.chunk(mode), due.at_once, _SOON_S, (reason,))
        for mode, what, reason in (
            ("nan", "NaN", "non_finite"),
            ("infinite", "infinite", "non_finite"),
            ("wrong_names", "joints of another robot", "wrong_joints"),
            ("wrong_order", "joints in another order", "wrong_joints"),
            ("reversed_rows", "rows reversed", "first_row_too_far"),
            ("early_start", "due before its observation", "bad_timing"),
            ("far", "far from the pose", "first_row_too_far"),
            ("out_of_range", "outside the range", "out_of_range"),
            ("outlier", "one row an outlier", "outlier"),
            ("wrong_shape", "too few values", "malformed"),
            ("reversed_time", "negative time step", "malformed"),
        )
    ),
    *(
        Fault(f"chunks: {what}", "holds", do.chunk(mode), due.chunk_end, _CHUNK_S, reasons)
        for mode, what, reasons in (
            ("late", "3 s late, then none", ("stale_chunk",)),
            ("old_session", "of an old session", ("old_session", "stale_chunk")),
            ("old_sequence", "out of order", ("out_of_order", "stale_chunk")),
        )
    ),
    *(
        Fault(f"policy's clock 300 ms {way}", "goes on", do.chunk(way), due.at_once, 2.0)
        for way in ("ahead", "behind")
    ),
    Fault("chunk of a restarted policy", "holds", do.chunk("restarted"), due.at_once, _SOON_S,
          ("policy_restarted",), disarms=True),
    Fault("instruction ends", "holds", do.idle, due.at_once, _SOON_S, ("no_instruction",)),
    # Operators
    Fault("enable twice", "goes on", do.enable_again, due.at_once, _SOON_S),
    Fault("enable with a stale joint state", "holds", do.pause("proprioception"),
          _STALE_STATE, _SOON_S, ("stale_state",),
          check=checks.refuses_enable, clear=do.resume("proprioception"), disarms=True,
          estop=False),
    Fault("e-stop, and a second one", "holds", do.estop, due.at_once, _SOON_S, ("estopped",),
          check=checks.estop_latches, disarms=True, estop=False),
    Fault("two controllers", "holds", do.second_controller, due.look_around, _SOON_S,
          do.RIVALS, clear=do.end("controller_2"), disarms=True),
    Fault("a stranger commands the driver", "holds", lambda rig: rig.strange_commands(_SOON_S),
          due.look_around, _SOON_S, do.RIVALS,
          clear=lambda rig: rig.end_strange_commands(), disarms=True),
    Fault("SIGSTOP controller for 1 s", "driver holds", do.pause("controller"), due.command_timeout,
          _SOON_S, clear=do.resume("controller")),
    Fault("kill -9 controller", "driver holds", do.kill("controller"), due.command_timeout, _SOON_S,
          disarms=True),
    Fault("kill -9 controller, a new one enabled at once", "holds", do.new_controller_at_once,
          due.after("controller", "driver_max_age_s"), 1.5, ("driver_holds",), check=checks.no_jump,
          disarms=True, estop=False),
    # Sensors
    Fault("frozen camera", "holds", do.order("sensor_relay", freeze="wrist"), due.chunk_end, 5.0,
          ("stale_chunk",), check=checks.no_canvas_after("camera_tiler", "frozen_after_s", 0.4),
          clear=do.clear_order("sensor_relay"), layout="relayed"),
    Fault("swapped cameras", "holds",
          do.order("sensor_relay", swap=["exterior_1", "exterior_2"]), due.chunk_end, 3.5,
          ("stale_chunk",), check=checks.no_canvas_after("camera_tiler", "max_image_age_s"),
          clear=do.clear_order("sensor_relay"), layout="relayed"),
    Fault("joint states with an old stamp", "holds", do.order("sensor_relay", repeat=True),
          _STALE_STATE, _SOON_S, ("stale_state",), clear=do.clear_order("sensor_relay"),
          layout="relayed"),
    # A disk
    Fault("full disk under recorder and logs", "goes on", do.fill_disk, due.at_once, 3.0,
          check=checks.only_recorder_fails, clear=do.empty_disk, layout="recorded"),
    # A network
    Fault("30 % loss and 200 ms delay", "copes", do.lose, due.chunk_end, 8.0, layout="far",
          clear=do.clear_order("lossy_link", loss=0.0, delay_s=0.0)),
    # A clock that is set
    *(
        Fault(f"robot's clock jumps by {1000 * step:+.0f} ms", "holds",
              do.jump(step), due.at_once, _SOON_S, ("clock_jump",),
              clear=do.clear_order("shifted_clock", offset_s=0.0), layout="clock")
        for step in (_CLOCK_S, -_CLOCK_S)
    ),
    # The real policy, with random weights
    Fault("kill -9 untrained policy", "holds", do.kill("policy"), due.chunk_end, _CHUNK_S,
          ("stale_chunk",), disarms=True, layout="untrained"),
    Fault("SIGSTOP untrained policy for 3 s", "holds", do.pause("policy"), due.chunk_end, _PAUSE_S,
          ("stale_chunk",), after=checks.late_chunks_refused, layout="untrained"),
    Fault("kill -9 a rank of the policy", "holds", do.kill_rank, due.chunk_end, _CHUNK_S,
          ("stale_chunk",), check=checks.policy_says_why, clear=do.end("policy"),
          disarms=True, layout="ranks"),
)  # fmt: skip
"""Every row, those of one layout together."""
