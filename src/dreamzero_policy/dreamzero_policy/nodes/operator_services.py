"""What an operator may ask of the controller: motion, the emergency stop, letting go of the robot.

Each answer says what is so now. Letting go takes a while: the robot is braked, then its driver is
asked, and all that time the node goes on with everything else, the emergency stop included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from dreamzero_policy.control.controller import Controller
from dreamzero_policy.ros.lifecycle import Node

_REST_S = 3.0
"""How long a robot may take to come to rest before it is let go [s]."""

_DRIVER_S = 2.0
"""How long its driver may take to answer [s]."""

_LOOK_S = 0.02

Answer = tuple[bool, str]
"""Whether it was done, and a sentence."""


class OperatorServices:
    """The services ``controller/enable``, ``estop``, ``reset_estop`` and ``release``.

    Args:
        node: whose services they are; motion is refused while it is not accepting.
        controller: that does what is asked.
        lock: held for every use of ``controller``.
        rivals: who else commands the robot, as a sentence; empty for nobody.
        changed: called after every answer, to report at once.

    Attributes:
        driver_follows: whether the driver said that it follows commands.
    """

    def __init__(
        self,
        node: Node,
        controller: Controller,
        lock: Lock,
        rivals: Callable[[], str],
        changed: Callable[[], None],
    ) -> None:
        self._node, self._controller, self._lock = node, controller, lock
        self._rivals, self._changed = rivals, changed
        self._letting_go = self.driver_follows = False
        # What waits must not keep the node's other callbacks waiting.
        self._group = ReentrantCallbackGroup()
        node.create_service(SetBool, "controller/enable", self._enable)
        node.create_service(Trigger, "controller/estop", self._estop)
        node.create_service(Trigger, "controller/reset_estop", self._reset_estop)
        node.create_service(
            SetBool, "controller/release", self._release, callback_group=self._group
        )
        self._driver = node.create_client(SetBool, "driver/release", callback_group=self._group)

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Allows motion or ends it."""
        rivals = self._rivals() if request.data else ""
        with self._lock:
            if not request.data:
                self._controller.disable()
                answer = (True, "motion is disabled")
            elif not self._node.accepting:
                answer = (False, "the controller is not active")
            elif rivals:
                answer = (False, rivals)
            else:
                answer = self._controller.enable(self._node.now_ns())
        return self._answer(f"enable({request.data})", answer, response)

    def _estop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Latches the emergency stop."""
        with self._lock:
            self._controller.estop("asked for by the operator")
        return self._answer("estop", (True, "emergency stop; reset_estop releases it"), response)

    def _reset_estop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Ends the emergency stop; motion stays disabled."""
        with self._lock:
            answer = self._controller.reset_estop()
        return self._answer("reset_estop", answer, response)

    async def _release(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        """Lets go of the robot or takes it back."""
        if self._letting_go:
            answer = (False, "the robot is being let go of or taken back already")
        elif not self._node.accepting:
            answer = (False, "the controller is not active")
        else:
            self._letting_go = True
            try:
                answer = await (self._let_go() if request.data else self._take_back())
            finally:
                self._letting_go = False
        return self._answer(f"release({request.data})", answer, response)

    async def _let_go(self) -> Answer:
        """Brakes, waits for rest, asks the driver; where that fails the robot stays held."""
        with self._lock:
            stopped = self._controller.estopped
            answer = self._controller.release()
        if not answer[0]:
            return answer
        self._changed()
        at_rest = await self._until(lambda: self._controller.releasable, _REST_S)
        # The driver goes on following for as long as its watchdog waits for commands.
        await self._until(lambda: not self.driver_follows, _DRIVER_S)
        if not at_rest:
            answer = (False, f"the robot did not come to rest within {_REST_S:g} s")
        elif self._controller.estopped and not stopped:
            answer = (False, "the emergency stop came in between: it holds the robot")
        else:
            answer = await self._ask_driver(True)
        if not answer[0]:
            with self._lock:
                self._controller.take_back()
        return answer

    async def _take_back(self) -> Answer:
        """Has the driver hold the robot again; motion stays disabled."""
        answer = await self._ask_driver(False)
        if not answer[0]:
            return answer
        with self._lock:
            return self._controller.take_back()

    async def _ask_driver(self, release: bool) -> Answer:
        """What the driver says to letting go or holding again."""
        name = self._driver.srv_name
        if not self._driver.service_is_ready():
            return False, f"expected a driver that answers {name}, none is there"
        asked = self._driver.call_async(SetBool.Request(data=release))
        if not await self._until(asked.done, _DRIVER_S):
            self._driver.remove_pending_request(asked)
            return False, f"expected an answer of the driver within {_DRIVER_S:g} s, none came"
        response = asked.result()
        return response.success, f"the driver says: {response.message}"

    async def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Waits without keeping the executor; returns whether it was done in time."""
        over, end = Future(), time.monotonic() + seconds

        def look() -> None:
            if (done() or time.monotonic() > end) and not over.done():
                over.set_result(None)

        timer = self._node.create_timer(_LOOK_S, look, callback_group=self._group)
        try:
            await over
        finally:
            self._node.destroy_timer(timer)
        return done()

    def _answer(
        self, what: str, answer: Answer, response: SetBool.Response | Trigger.Response
    ) -> SetBool.Response | Trigger.Response:
        """Fills the response, logs it and reports at once."""
        response.success, response.message = answer
        self._changed()
        said = f"{what}: {response.message}"
        # Two calls, since rclpy refuses another severity from the same line.
        if response.success and what != "estop":
            self._node.get_logger().info(said)
        else:
            self._node.get_logger().warning(said)
        return response
