"""The driver's end of the socket to the bridge: connects, connects again, and measures the clocks.

A thread of its own reads. What is sent is sent by whoever has it, at once or not at all: a socket
that is full means a bridge that does not read, and old commands must not wait for it.

The bridge's clock is mapped to this process's ``time.monotonic_ns`` by the ping with the shortest
round trip among the last ones.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from agibot_bridge import frames
from agibot_bridge.frames import FrameError
from agibot_bridge.layout import JOINTS, Layout
from dreamzero_policy.types import NS_PER_S

_PING_NS = NS_PER_S // 10
_AGAIN_S = 0.2
"""From a lost connection to the next attempt [s]."""

_PINGS = 100  # whose shortest round trip counts: 10 s


class State(NamedTuple):
    """What the bridge says of the robot.

    Attributes:
        bridge: which run of the bridge.
        arrived_ns: when it came, by ``time.monotonic_ns``.
        stamp_ns: of the measurement, by the bridge's clock.
        measured_ns: the same by ``time.monotonic_ns``, as far as pings tell.
        positions: in the order of ``JOINTS``, units as read; None while the robot does not report.
        mode, reason: holding, following or fault, and why.
        taken, refused, last_refusal: what the bridge thinks of this driver's commands.
    """

    bridge: str
    arrived_ns: int
    stamp_ns: int
    measured_ns: int
    positions: list[float] | None
    mode: str
    reason: str
    taken: int
    refused: int
    last_refusal: str


class Clocks(NamedTuple):
    """The bridge's clocks as pings see them.

    Attributes:
        offset_ns: bridge's monotonic clock to this one: add it.
        wall_offset_ns: how far the bridge's wall clock is ahead of this one.
        round_trip_ns: of the ping that says so; the offsets are right to half of it.
    """

    offset_ns: int
    wall_offset_ns: int
    round_trip_ns: int


class Link:
    """A connection that is always wanted.

    Attributes:
        welcome: what the bridge said of itself; empty before it did.
        connections: how many there were.
    """

    def __init__(self, host: str, port: int, layout: Layout, silent_s: float, name: str) -> None:
        """Connects in the background.

        Args:
            host: the bridge's.
            port: the bridge's.
            layout: sent when it greets.
            silent_s: silence that ends a connection, to begin anew.
            name: of this driver, for the bridge's log.
        """
        self._address, self._silent_s = (host, port), silent_s
        self._hello = {"type": "hello", "driver": name, **layout.message()}
        self._socket: socket.socket | None = None
        self._sending = threading.Lock()
        self._known = threading.Condition()
        self._state: State | None = None
        self._answers: dict[int, str] = {}
        self._number = 0
        self._pings: deque[Clocks] = deque(maxlen=_PINGS)
        self._problem = "not connected yet"
        self.welcome: dict[str, Any] = {}
        self.connections = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bridge", daemon=True)
        self._thread.start()

    # What anyone may call.

    @property
    def state(self) -> State | None:
        """The newest of this connection; None where there is none."""
        return self._state

    @property
    def problem(self) -> str:
        """Why there is no connection; empty while there is one."""
        return self._problem

    @property
    def clocks(self) -> Clocks | None:
        """What the best of the last pings says; None before the first."""
        pings = list(self._pings)
        return min(pings, key=lambda ping: ping.round_trip_ns) if pings else None

    def wait_for(self, done: Callable[[State], bool], seconds: float) -> bool:
        """Waits until a state pleases; False where none did in time."""
        with self._known:
            return self._known.wait_for(
                lambda: self._state is not None and done(self._state), seconds
            )

    def send(self, kind: str, **fields: Any) -> bool:
        """Sends a message now; False where there is no connection."""
        with self._sending:
            return self._put({"type": kind, **fields})

    def clear_fault(self, seconds: float) -> str:
        """Asks the bridge to clear its fault; says why it does not, empty where it did."""
        with self._known:
            self._number += 1
            number = self._number
        if not self.send("clear", number=number):
            return f"no connection to the bridge: {self._problem}"
        with self._known:
            if not self._known.wait_for(lambda: number in self._answers, seconds):
                return f"the bridge did not answer within {seconds:g} s"
            return self._answers.pop(number)

    def close(self) -> None:
        """Ends the connection and the thread."""
        self._ended.set()
        self._drop("closed")
        if self._thread is not threading.current_thread():
            self._thread.join(1.0)

    # The thread.

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._serve(socket.create_connection(self._address, timeout=1.0))
            except (OSError, ValueError) as error:
                host, port = self._address
                self._drop(f"bridge at {host}:{port}: {error}")
            self._ended.wait(_AGAIN_S)

    def _serve(self, connection: socket.socket) -> None:
        """Greets, and takes what comes until the connection ends, which raises."""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, frames.BUFFER)
        decoder, bridge = frames.Decoder(), ""
        with self._sending:
            if self._ended.is_set():
                connection.close()
                return
            self._socket = connection
            self._pings.clear()
            self._put(self._hello)
        heard_ns = pinged_ns = time.monotonic_ns()
        while True:
            now_ns = time.monotonic_ns()
            if bridge and now_ns - pinged_ns >= _PING_NS:
                pinged_ns = now_ns
                self.send("ping", sent_ns=now_ns)
            if now_ns - heard_ns > self._silent_s * NS_PER_S:
                raise ConnectionError(f"silent for {self._silent_s:g} s")
            if self._socket is not connection:
                raise ConnectionError(self._problem)
            try:
                ready = select.select([connection], [], [], _PING_NS / NS_PER_S / 2)[0]
            except ValueError:
                raise ConnectionError(self._problem) from None  # closed while it was waited for
            if not ready:
                continue
            data = connection.recv(256 * 1024)
            if not data:
                raise ConnectionError("it ended the connection")
            heard_ns = time.monotonic_ns()
            for message in decoder.feed(data):
                bridge = self._take(message, bridge, heard_ns)

    def _take(self, message: dict[str, Any], bridge: str, arrived_ns: int) -> str:
        """Takes one message; returns the bridge's identity once it is known."""
        kind = message["type"]
        if kind == "refused":
            raise ConnectionError(f"it refuses: {frames.text(message, 'reason')}")
        if kind == "welcome":
            self.welcome, bridge = message, frames.text(message, "bridge")
            self.connections += 1
            self._problem = ""
        elif not bridge:
            raise FrameError(f"expected welcome first, got {kind:.40}")
        elif kind == "state":
            state = self._parsed(message, bridge, arrived_ns)
            with self._known:
                if self._socket is not None:
                    self._state = state
                self._known.notify_all()
        elif kind == "cleared":
            with self._known:
                self._answers[frames.integer(message, "number")] = frames.text(message, "refusal")
                self._known.notify_all()
        elif kind == "pong":
            self._pong(message, arrived_ns)
        else:
            raise FrameError(f"unknown message {kind:.40}")
        return bridge

    def _parsed(self, message: dict[str, Any], bridge: str, arrived_ns: int) -> State:
        positions = None
        if message.get("positions") is not None:
            positions = frames.numbers(message, "positions", len(JOINTS))
        stamp_ns, clocks = frames.integer(message, "stamp_ns"), self.clocks
        measured_ns = arrived_ns if clocks is None else stamp_ns + clocks.offset_ns
        return State(
            bridge,
            arrived_ns,
            stamp_ns,
            min(measured_ns, arrived_ns),
            positions,
            frames.text(message, "mode"),
            frames.text(message, "reason"),
            frames.integer(message, "taken"),
            frames.integer(message, "refused"),
            frames.text(message, "last_refusal"),
        )

    def _pong(self, message: dict[str, Any], arrived_ns: int) -> None:
        """Notes what a ping says of the bridge's clocks."""
        sent_ns = frames.integer(message, "sent_ns")
        middle_ns = (sent_ns + arrived_ns) // 2
        wall_ns = time.time_ns() - (time.monotonic_ns() - middle_ns)
        self._pings.append(
            Clocks(
                middle_ns - frames.integer(message, "monotonic_ns"),
                frames.integer(message, "wall_ns") - wall_ns,
                arrived_ns - sent_ns,
            )
        )

    def _put(self, message: dict[str, Any]) -> bool:
        """Sends with the lock held."""
        connection = self._socket
        if connection is None:
            return False
        data = frames.encode(message)
        try:
            if connection.send(data) == len(data):
                return True
            reason = "it does not read what it is sent"
        except OSError as error:
            reason = str(error) or type(error).__name__
        self._forget(reason)
        return False

    def _drop(self, reason: str) -> None:
        with self._sending:
            self._forget(reason)

    def _forget(self, reason: str) -> None:
        connection, self._socket = self._socket, None
        self._problem = reason
        with self._known:
            self._state = None
            self._known.notify_all()
        if connection is not None:
            connection.close()
