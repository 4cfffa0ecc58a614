"""The loop of the bridge: one socket, one driver, one robot, a hundred times a second.

Everything happens in one thread, so that the order of calls is that of this file: what the driver
sent, what the robot says, what the robot is told, what the driver is told. Where a call of the SDK
hangs, the states stop and the driver holds.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from contextlib import suppress
from typing import Any

from agibot_bridge import frames
from agibot_bridge.frames import VERSION, FrameError
from agibot_bridge.layout import JOINTS, Layout
from agibot_bridge.machine import FAULT, NS_PER_S, Machine
from agibot_bridge.sdk import G1, Measured, SdkError

CYCLE_HZ = 100
"""States and set-points per second: what the maker's examples send."""

SILENT_S = 1.0
"""A driver from which nothing comes for so long has gone [s]; it pings ten times a second."""

WARM_UP_S, WARM_UP_SAMPLES = 0.5, 20
"""What the SDK reports first is old: readings that are passed over."""

STATUS_HZ = 5
"""How often the robot's own status is read."""

_LOST_S = 0.5
_LINGER_S, _LINGERING = 1.0, 8
_CYCLE_NS = NS_PER_S // CYCLE_HZ

log = logging.getLogger("agibot_bridge")


class Driver:
    """The socket of the driver that is served."""

    def __init__(self, connection: socket.socket, address: str) -> None:
        """Nothing has come yet."""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, frames.BUFFER)
        self.connection, self.address = connection, address
        self.decoder = frames.Decoder()
        self.heard_ns = time.monotonic_ns()
        self.greeted = False

    def receive(self) -> list[dict[str, Any]]:
        """What has come.

        Raises:
            FrameError: the stream cannot be read.
            OSError: the connection has ended.
        """
        try:
            data = self.connection.recv(256 * 1024)
        except BlockingIOError:
            return []
        if not data:
            raise ConnectionError("it ended the connection")
        self.heard_ns = time.monotonic_ns()
        return self.decoder.feed(data)

    def send(self, message: dict[str, Any]) -> None:
        """Sends, or gives the connection up: a driver that does not read would get old news.

        Raises:
            OSError: the connection has ended, or is full.
        """
        data = frames.encode(message)
        try:
            sent = self.connection.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            raise ConnectionError("it does not read what it is sent")


class Server:
    """Serves one driver at a time."""

    def __init__(self, robot: G1, listener: socket.socket, machine: Machine, told: dict) -> None:
        """Takes over an open robot and a listening socket.

        Args:
            robot: the SDK.
            listener: bound and listening.
            machine: what decides.
            told: what ``welcome`` says besides the version.
        """
        listener.setblocking(False)
        self._robot, self._listener, self._machine = robot, listener, machine
        self._welcome = {"type": "welcome", "bridge": str(time.time_ns()), **told}
        self._driver: Driver | None = None
        self._lingering: dict[socket.socket, int] = {}
        self._sequence = self._samples = 0
        self._first_ns = self._read_ns = self._status_ns = self._stamp_ns = 0
        self._shown: tuple[str, str] | None = None

    def run(self, ended: Any) -> None:
        """Serves until ``ended`` (an event) is set, then tells wheels and driver so."""
        last_ns = due_ns = time.monotonic_ns()
        try:
            while not ended.is_set():
                self._wait(due_ns)
                now_ns = time.monotonic_ns()
                self._cycle(now_ns, now_ns - last_ns)
                last_ns = now_ns
                late_ns = time.monotonic_ns() - due_ns
                due_ns += _CYCLE_NS * (1 + max(0, late_ns) // _CYCLE_NS)
        finally:
            self._machine.hold("the bridge was stopped")
            self._tell_robot(time.monotonic_ns(), 0)
            self._leave("the bridge was stopped")
            for connection in [*self._lingering]:
                self._end(connection)

    def _wait(self, due_ns: int) -> None:
        """Takes what comes until the next cycle is due."""
        while True:
            left_s = (due_ns - time.monotonic_ns()) / NS_PER_S
            sockets = [self._listener, *self._lingering]
            if self._driver is not None:
                sockets.append(self._driver.connection)
            ready = select.select(sockets, [], [], max(0.0, left_s))[0]
            if self._driver is not None and self._driver.connection in ready:
                self._receive(self._driver)  # first: its end makes room for the next
            if self._listener in ready:
                self._accept()
            self._let_go(time.monotonic_ns(), ready)
            if left_s <= 0:
                return

    def _cycle(self, now_ns: int, dt_ns: int) -> None:
        """One turn: read, tell the robot, tell the driver."""
        driver = self._driver
        if driver is not None and now_ns - driver.heard_ns > SILENT_S * NS_PER_S:
            self._leave(f"nothing came from it for {SILENT_S:g} s")
        self._read()
        self._tell_robot(now_ns, dt_ns)
        shown = (self._machine.mode, self._machine.reason)
        if shown != self._shown:
            self._shown = shown
            log.log(logging.ERROR if shown[0] == FAULT else logging.INFO, "%s: %s", *shown)
        if self._driver is not None and self._driver.greeted:
            self._send(self._driver, self._state())

    def _read(self) -> None:
        """Reads the robot and its status."""
        machine = self._machine
        try:
            measured = self._robot.read()
            now_ns = time.monotonic_ns()
            if measured is not None:
                self._take(measured, now_ns)
            elif self._read_ns and now_ns - self._read_ns > _LOST_S * NS_PER_S:
                machine.lose(f"the SDK has no states for {_LOST_S:g} s")
            if now_ns - self._status_ns >= NS_PER_S // STATUS_HZ:
                self._status_ns = now_ns
                machine.stopped(self._robot.stopped_by())
        except SdkError as error:
            machine.lose(str(error))

    def _take(self, measured: Measured, now_ns: int) -> None:
        """Passes a reading on once the first, old ones are over."""
        self._first_ns = self._first_ns or now_ns
        self._samples += 1
        self._read_ns = now_ns
        warm = now_ns - self._first_ns >= WARM_UP_S * NS_PER_S
        if self._samples >= WARM_UP_SAMPLES and warm:
            self._stamp_ns = now_ns
            self._machine.measure(measured.vector(), measured.stamps_ns, now_ns)

    def _tell_robot(self, now_ns: int, dt_ns: int) -> None:
        """Commands the robot; a call that fails is a fault."""
        orders = self._machine.cycle(now_ns, dt_ns)
        try:
            if orders.positions is not None:
                self._robot.move(orders.positions)
        except SdkError as error:
            self._machine.fault(str(error))
        wheels = (0.0, 0.0) if orders.wheels and self._machine.mode == FAULT else orders.wheels
        try:
            if wheels is not None:
                self._robot.roll(*wheels)
        except SdkError as error:
            self._machine.fault(str(error))

    def _state(self) -> dict[str, Any]:
        """What the driver is told in every cycle."""
        self._sequence += 1
        return {
            "type": "state",
            "sequence": self._sequence,
            "stamp_ns": self._stamp_ns,
            "positions": self._machine.positions,
            **self._machine.state(),
        }

    def _accept(self) -> None:
        """Takes a driver, or turns it away while another is served."""
        try:
            connection, (host, port, *_) = self._listener.accept()
        except OSError:
            return  # it has gone already
        newcomer = Driver(connection, f"{host}:{port}")
        if self._driver is None:
            self._driver = newcomer
            return
        self._turn_away(newcomer, f"busy: the driver at {self._driver.address} has the robot")

    def _turn_away(self, driver: Driver, reason: str) -> None:
        """Says why, and closes once it has heard: words left unread would reset the connection."""
        log.info("%s is turned away: %s", driver.address, reason)
        with suppress(OSError):  # it has gone
            driver.send({"type": "refused", "reason": reason})
            driver.connection.shutdown(socket.SHUT_WR)
            self._lingering[driver.connection] = time.monotonic_ns() + int(_LINGER_S * NS_PER_S)
        if driver.connection not in self._lingering:
            driver.connection.close()
        elif len(self._lingering) > _LINGERING:
            self._end(next(iter(self._lingering)))

    def _let_go(self, now_ns: int, ready: list[Any]) -> None:
        """Reads past what those who were turned away still say; closes at its end, or in time."""
        for connection, until_ns in [*self._lingering.items()]:
            over = now_ns > until_ns
            if connection in ready and not over:
                try:
                    over = not connection.recv(256 * 1024)
                except BlockingIOError:
                    continue
                except OSError:
                    over = True
            if over:
                self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        """Forgets one who was turned away."""
        del self._lingering[connection]
        connection.close()

    def _receive(self, driver: Driver) -> None:
        """Takes what the driver sent; what cannot be read ends the connection."""
        try:
            for message in driver.receive():
                self._obey(driver, message)
                if self._driver is not driver:
                    return
        except (ValueError, OSError) as error:
            if isinstance(error, ValueError):
                self._turn_away(driver, str(error))
            self._leave(str(error))

    def _obey(self, driver: Driver, message: dict[str, Any]) -> None:
        """Does what one message says."""
        kind, machine, now_ns = message["type"], self._machine, time.monotonic_ns()
        if kind == "hello" and not driver.greeted:
            machine.connect(Layout.parse(message))
            driver.greeted = True
            log.info("a driver at %s", driver.address)
            self._send(driver, self._welcome)
        elif not driver.greeted:
            raise FrameError(f"expected hello first, got {kind}")
        elif kind == "command":
            machine.command(
                frames.integer(message, "sequence"),
                frames.integer(message, "seen_ns"),
                frames.numbers(message, "positions", len(JOINTS)),
                now_ns,
            )
        elif kind == "base":
            machine.drive(
                frames.integer(message, "seen_ns"),
                frames.number(message, "forward"),
                frames.number(message, "yaw"),
                now_ns,
            )
        elif kind == "hold":
            machine.hold(frames.text(message, "reason"))
        elif kind == "clear":
            refusal = machine.clear()
            answer = {"number": frames.integer(message, "number"), "refusal": refusal or ""}
            self._send(driver, {"type": "cleared", **answer})
        elif kind == "ping":
            sent = frames.integer(message, "sent_ns")
            clocks = {"monotonic_ns": time.monotonic_ns(), "wall_ns": time.time_ns()}
            self._send(driver, {"type": "pong", "sent_ns": sent, **clocks})
        else:
            raise FrameError(f"expected a message of version {VERSION}, got type {kind!r:.40}")

    def _send(self, driver: Driver, message: dict[str, Any]) -> None:
        """Sends, or loses the driver."""
        try:
            driver.send(message)
        except OSError as error:
            self._leave(str(error))

    def _leave(self, reason: str) -> None:
        """Ends the connection and holds."""
        driver, self._driver = self._driver, None
        if driver is None:
            return
        if driver.connection not in self._lingering:
            _close(driver.connection)
        if not driver.greeted:
            return  # it only looked whether somebody serves here
        log.warning("the driver at %s is gone: %s", driver.address, reason)
        self._machine.disconnect(f"the driver is gone: {reason}")


def _close(connection: socket.socket) -> None:
    with suppress(OSError):  # the other end was faster
        connection.shutdown(socket.SHUT_WR)
    connection.close()
