"""One base class of every node and the function that runs one as a process.

A node is a ROS 2 lifecycle node. A subclass says what to do in four places and never touches a
transition:

- ``_setup``     make publishers, subscriptions and whatever else; raises where it cannot.
- ``_start``     begin to work: timers, threads.
- ``_stop``      end the work, within ``STOP_SECONDS``.
- ``_teardown``  let go of what ``_setup`` made and this class does not know; tolerates a half-built
  state.

The order of a stop is fixed: new work is refused (``accepting`` is false), ``_stop``, then
``_safe_command`` last, even where ``_stop`` raised. Publishers, subscriptions, timers and
services that ``_setup`` or ``_start`` made are destroyed here. In every state the node reports its
health once a second, with what ``_diagnose`` adds.

Exit codes of ``run``: 0 after an orderly stop, 1 after a bug (with its traceback), 2 for a wrong
configuration (one line on stderr), 3 after ``fail``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Generic, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from dreamzero_policy.ros import diagnostics, qos, realtime
from dreamzero_policy.ros.diagnostics import Diagnosis, Level
from dreamzero_policy.ros.parameters import NodeParameters, declare

STOP_SECONDS = 2.0
"""How long ``_stop`` may take [s]."""

GIVE_UP_SECONDS = 4.0
"""A process that has not ended this long after it was asked to is ended [s]."""

SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


class ExitCode(IntEnum):
    """How a node's process ends."""

    ORDERLY = 0
    BUG = 1
    CONFIGURATION = 2
    RUNTIME_FAILURE = 3


Settings = TypeVar("Settings", bound=NodeParameters)


class Node(LifecycleNode, Generic[Settings]):
    """Base of every node: checked parameters, the stop order, and failures that are never silent.

    Attributes:
        settings: the node's parameters, an instance of the class given to the constructor.
        accepting: whether new work is taken: true from activation until a stop begins.
        ended: done with the process's exit code when the node wants its process to end.
    """

    def __init__(self, name: str, settings: type[Settings]) -> None:
        """Makes the node and declares its parameters.

        Args:
            name: node name; the command line may remap it.
            settings: dataclass of its parameters.

        Raises:
            ValueError: a parameter is wrong; see ``parameters.declare``.
        """
        super().__init__(name)
        self.accepting = False
        self.ended = Future()
        self.failure: BaseException | None = None
        self._ending = threading.Lock()
        self._built = False
        self._running = False
        self._use = diagnostics.ProcessUse()
        self._health = self.create_publisher(DiagnosticArray, diagnostics.TOPIC, qos.DIAGNOSTICS)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(diagnostics.PERIOD_S, self._report_health, clock=steady)
        self._kept = self._entities()
        try:
            self.settings: Settings = declare(self, settings, self._settings_changed)
        except BaseException:
            self.destroy_node()
            raise

    # What a subclass fills in.

    def _setup(self) -> None:
        """Makes what the node needs; raises ``ValueError`` for what the user can put right."""

    def _start(self) -> None:
        """Begins to work."""

    def _stop(self) -> None:
        """Ends the work within ``STOP_SECONDS``."""

    def _safe_command(self) -> None:
        """Sends the last message of this node, after all its work has ended."""

    def _teardown(self) -> None:
        """Lets go of what ``_setup`` made; any of it may be missing."""

    def _settings_changed(self, settings: Settings) -> None:
        """Takes a change of live parameters; ``ValueError`` refuses it."""
        self.settings = settings

    def _diagnose(self) -> Sequence[Diagnosis]:
        """The health of what ``_setup`` made, once a second in the executor's thread."""
        return ()

    # What anyone may call.

    def now_ns(self) -> int:
        """ROS time [ns]."""
        return self.get_clock().now().nanoseconds

    def fail(self, message: str, code: ExitCode = ExitCode.RUNTIME_FAILURE) -> None:
        """Ends the process with ``code`` after the safe stop; may be called from any thread."""
        self.get_logger().fatal(message)
        self.end(code)

    def end(self, code: ExitCode = ExitCode.ORDERLY) -> None:
        """Ends the process; the first call decides the exit code. May be called from any thread."""
        with self._ending:
            if not self.ended.done():
                self.ended.set_result(code)

    def bring_up(self) -> None:
        """Configures and activates, as a launch file would.

        Raises:
            ValueError: the configuration is wrong.
            Exception: whatever else ``_setup`` or ``_start`` raised. Nothing stays half-started.
        """
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != SUCCESS:
                raise self.failure or RuntimeError("the transition was refused")

    def shut_down(self) -> None:
        """Stops and tears down from whatever state the node is in; never raises."""
        self._halt()
        self._dismantle()

    # Transitions. rclpy swallows what they raise, so nothing may leave them unlogged.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs ``_setup``; a failure leaves nothing behind."""
        self._built, self.failure = True, None
        result = self._attempt("configure", self._setup)
        if result != SUCCESS:
            self._dismantle()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs ``_start``; a failure stops what had started."""
        self._running = self.accepting = True
        self.failure = None
        result = self._attempt("activate", self._start)
        if result != SUCCESS:
            self._halt()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs the stop order."""
        self._halt()
        return SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs ``_teardown``."""
        self._dismantle()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops, tears down and ends the process."""
        self.shut_down()
        self.end()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops and tears down after a bug; the node may be configured again."""
        self.shut_down()
        return SUCCESS

    def _attempt(self, what: str, step: Callable[[], None]) -> TransitionCallbackReturn:
        """Runs one step: a ``ValueError`` is one clear line, anything else a traceback."""
        try:
            step()
        except ValueError as error:
            self.failure = error
            self.get_logger().error(f"could not {what}: {error}")
            return FAILURE
        except Exception as error:  # noqa: BLE001  # a transition must not raise
            self.failure = error
            self.get_logger().error(f"could not {what}:\n{traceback.format_exc()}")
            return ERROR
        return SUCCESS

    def _halt(self) -> None:
        """Refuses new work, stops, and sends the safe command last."""
        if not self._running:
            return
        self.accepting = self._running = False
        began = time.monotonic()
        self._attempt("stop", self._stop)
        if (took := time.monotonic() - began) > STOP_SECONDS:
            self.get_logger().warning(f"stopping took {took:.1f} s, more than {STOP_SECONDS} s")
        self._attempt("send the safe command", self._safe_command)

    def _dismantle(self) -> None:
        """Tears down, then destroys every entity that was not there before ``_setup``."""
        if not self._built:
            return
        self._built = False
        self._attempt("tear down", self._teardown)
        destroy = (
            self.destroy_timer,
            self.destroy_subscription,
            self.destroy_service,
            self.destroy_client,
            self.destroy_publisher,
        )
        for kept, present, destroy_one in zip(self._kept, self._entities(), destroy, strict=True):
            for entity in present:
                if not any(entity is one for one in kept):
                    destroy_one(entity)

    def _report_health(self) -> None:
        """Publishes what this node and ``_diagnose`` find; a bug in there must not end the work."""
        found = [self._life()]
        try:
            if self._built:
                parts = self._diagnose()
                found += parts if self.accepting else [part.asleep() for part in parts]
        except Exception as error:  # noqa: BLE001  # the robot goes on, and this says what broke
            self.get_logger().error(
                f"could not diagnose:\n{traceback.format_exc()}", throttle_duration_sec=60.0
            )
            found.append(Diagnosis("diagnostics", Level.ERROR, f"{type(error).__name__}: {error}"))
        message = diagnostics.diagnostic_array(
            self.get_name(), self.settings.robot_name, found, self.now_ns()
        )
        self._health.publish(message)

    def _life(self) -> Diagnosis:
        """The node itself: its state, and what its process takes."""
        state = ("active" if self.accepting else "inactive") if self._built else "unconfigured"
        level, text = (Level.OK if self.accepting else Level.STALE), state
        if self.failure is not None and not self.accepting:
            level, text = Level.ERROR, f"{state}: {self.failure}"
        return Diagnosis("node", level, text, {"state": state, **self._use.values()})

    def _entities(self) -> tuple[list, ...]:
        """Timers, subscriptions, services, clients and publishers that the node has now."""
        return (
            list(self.timers),
            list(self.subscriptions),
            list(self.services),
            list(self.clients),
            list(self.publishers),
        )


@contextlib.contextmanager
def _signals(received: Callable[[], None]) -> Iterator[None]:
    """Calls ``received`` from its own thread on SIGINT or SIGTERM, even while C++ code waits.

    Afterwards both are ignored: the process is about to end, and a second one (a terminal and
    ros2 launch send one each for the same Ctrl-C) must not cut its stop off.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        while number := reader.recv(1):
            if number[0] in numbers:
                received()

    thread = threading.Thread(target=watch, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(wakeup)
        writer.close()
        thread.join(1.0)
        reader.close()


def _give_up(code: ExitCode) -> None:
    """Ends the process where an orderly stop hangs."""
    sys.stderr.write(f"the stop did not end within {GIVE_UP_SECONDS} s, ending the process\n")
    sys.stderr.flush()
    os._exit(code or ExitCode.BUG)


def run(make_node: Callable[[], Node], argv: list[str] | None = None) -> int:
    """Runs a node as this process until a signal, a shutdown transition or a failure ends it.

    Args:
        make_node: the node's class.
        argv: command line; ``sys.argv`` where None.

    Returns:
        The exit code; see the head of this file.
    """
    # ament_index_python needs it; whoever sourced a ROS 2 installation has it set already.
    if not os.environ.get("AMENT_PREFIX_PATH"):
        os.environ["AMENT_PREFIX_PATH"] = sys.prefix
    node, code, spinning = None, ExitCode.BUG, False
    name = getattr(make_node, "__name__", "node")
    try:
        try:
            rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
        except Exception as error:  # rcl has no narrower class for a bad command line
            raise ValueError(f"bad ROS arguments or parameter file: {error}") from error
        with realtime.hastened():
            node = make_node()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        with _signals(node.end):
            if node.settings.autostart:
                node.bring_up()
            spinning = True
            _spin(executor, node.ended)
            code = node.ended.result()
            _close(node, code)
    except Exception as error:  # noqa: BLE001  # the process's last resort
        # Only what is said before the node spins is the user's to put right; a callback's is a bug.
        if isinstance(error, ValueError) and not spinning:
            sys.stderr.write(f"{name}: {error}\n")
            code = ExitCode.CONFIGURATION
        elif node is None or error is not node.failure:
            traceback.print_exc()
    finally:
        _close(node, code)
    return int(code)


def _spin(executor: SingleThreadedExecutor, ended: Future) -> None:
    """Runs callbacks until ``ended`` is done or ROS is shut down.

    The executor's own ``spin_until_future_complete`` hangs one more function on the future for each
    callback that it runs: 33 kB a second in the controller, and a pause of 24 ms after seven
    minutes, twice as long each time their number has doubled, in which they are looked through for
    garbage.
    """
    ended.add_done_callback(lambda _: executor.create_task(lambda: None))  # ends the wait
    while rclpy.ok() and not ended.done():
        executor.spin_once()


def _close(node: Node | None, code: ExitCode) -> None:
    """Stops the node and ROS, in bounded time; a second call does nothing."""
    if not rclpy.ok():
        return
    watchdog = threading.Timer(GIVE_UP_SECONDS, _give_up, (code,))
    watchdog.daemon = True
    watchdog.start()
    if node is not None:
        node.shut_down()
        node.destroy_node()
    rclpy.try_shutdown()
    watchdog.cancel()
