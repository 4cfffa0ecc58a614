"""What the policy node has been sent: the newest canvases and states, and how old they are.

Use from the executor's thread only.
"""

from __future__ import annotations

from collections.abc import Callable

from dreamzero_msgs import msg as dz

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.messages.images import Canvas, canvas_from_message
from dreamzero_policy.messages.joints import proprioception_from_message
from dreamzero_policy.observation.assemble import ObservationWindow
from dreamzero_policy.observation.canvas_rate import CanvasRate
from dreamzero_policy.types import NS_PER_S, Float, Image, Observation


class PolicyInputs:
    """Keeps what comes, and says what was wrong with what could not be kept.

    Args:
        embodiment: the robot as the checkpoint sees it.
        window: where canvases and states go.
        max_age_s: the newest canvas or state is stale when it is older [s].
        tolerance_s: how far in the future its stamp may lie [s].
        changed: called after something new was kept.
        rewound: called when a stamp says that the clock was set back, before it is kept.
        complain: takes one line about a message that could not be kept.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        window: ObservationWindow,
        *,
        max_age_s: float,
        tolerance_s: float,
        changed: Callable[[], None],
        rewound: Callable[[], None],
        complain: Callable[[str], None],
    ) -> None:
        self._embodiment, self._window = embodiment, window
        self._rate = CanvasRate(window.canvas_hz)
        self._max_age_s, self._tolerance_s = max_age_s, tolerance_s
        self._changed, self._rewound, self._complain = changed, rewound, complain
        self._newest_ns: dict[str, int] = {}
        self._unfit = ""  # what was wrong with the last canvas that could not be taken

    @property
    def newest_canvas_ns(self) -> int:
        """Stamp of the newest canvas; 0 before the first."""
        return self._newest_ns.get("canvas", 0)

    @property
    def other_rate(self) -> str:
        """How canvases come at another rate than the policy takes them; empty where they do not."""
        return self._rate.problem

    def take_canvas(self, came: dz.Canvas | Canvas | ValueError) -> None:
        """Keeps a canvas: a message, or what decoding one gave."""
        try:
            if isinstance(came, ValueError):
                raise came
            canvas = came if isinstance(came, Canvas) else canvas_from_message(came)
            _check_size(canvas.image, self._embodiment)
            self._rate.note(canvas.stamp_ns)
            if problem := self._rate.problem:
                raise ValueError(problem)
            self._keep("canvas", canvas.stamp_ns, self._window.add_canvas, canvas.image)
        except ValueError as error:
            self._unfit = str(error)
            self._complain(self._unfit)

    def take_state(self, message: dz.Proprioception) -> None:
        """Keeps a state; one at a canvas instant may complete the window."""
        try:
            state = proprioception_from_message(message)
            expected = self._embodiment.state_joints
            if state.names != expected:
                raise ValueError(
                    f"proprioception: expected joints {', '.join(expected)}, "
                    f"got {', '.join(state.names)}"
                )
            self._keep("proprioception", state.stamp_ns, self._window.add_state, state.positions)
        except ValueError as error:
            self._complain(str(error))

    def observation(self, prompt: str) -> Observation | None:
        """The newest window under an instruction; None while no canvas has a state."""
        return self._window.observation(prompt)

    def stale(self, now_ns: int) -> str:
        """Which input is missing, old, early or of another rate, in words; empty when both fit.

        Args:
            now_ns: ROS time.
        """
        if problem := self._rate.problem:
            return problem
        for what in ("canvas", "proprioception"):
            if what not in self._newest_ns:
                unfit = self._unfit if what == "canvas" else ""
                return unfit or f"no {what} has come yet"
            age = (now_ns - self._newest_ns[what]) / NS_PER_S
            if age > self._max_age_s:
                return f"the newest {what} is {age:.2f} s old, at most {self._max_age_s} s"
            if age < -self._tolerance_s:
                return (
                    f"the newest {what} lies {-age:.2f} s in the future, at most "
                    f"{self._tolerance_s} s: the clocks of the two hosts differ"
                )
        return ""

    def _keep(
        self, what: str, stamp_ns: int, add: Callable[..., bool], value: Image | Float
    ) -> None:
        """Adds to the window; a clock that was set back empties it first."""
        newest = self._newest_ns.get(what, stamp_ns)
        if stamp_ns < newest - NS_PER_S:
            self._complain(f"{what}: the clock was set back by {(newest - stamp_ns) / NS_PER_S} s")
            self._window.clear()
            self._newest_ns.clear()
            self._rewound()
        if add(stamp_ns, value):
            self._newest_ns[what] = stamp_ns
            self._changed()


def _check_size(canvas: Image, embodiment: Embodiment) -> None:
    """Refuses a canvas of other views than the checkpoint was trained with.

    Raises:
        ValueError: it says which parameter of the camera tiler to set.
    """
    (height, width), got = embodiment.canvas_size, canvas.shape
    if got[:2] != (height, width):
        raise ValueError(
            f"canvas: expected {height} x {width} (height x width) as the checkpoint was trained "
            f"with, got {got[0]} x {got[1]}: set camera_tiler.view_size to "
            f"{list(embodiment.view_size)}"
        )
