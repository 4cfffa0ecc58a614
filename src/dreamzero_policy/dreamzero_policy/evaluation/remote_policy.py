"""A policy behind the websocket protocol that public benchmark clients speak (data.md 7.1 to 7.3).

The server speaks first: a map that says what it takes. Then every request is a map with pictures,
joints, prompt and session, and every answer one array of absolute targets. Arrays are maps with
bytes keys. The server's context advances by a whole chunk at each call, so it is asked at chunk
boundaries only; the first request of a session has one frame of each view, later ones have four.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.evaluation.policy import Answer, Paced, chunk_of
from dreamzero_policy.types import Image, Observation

_OPEN_S, _ANSWER_S = 20.0, 600.0  # a server compiles at its first calls
_TAG = "oxe_droid"
_VIEWS = {  # the protocol counts exteriors from 0
    "exterior_1": "observation/exterior_image_0_left",
    "exterior_2": "observation/exterior_image_1_left",
    "wrist": "observation/wrist_image_left",
}
_OFFSETS = (-8, -5, -3, 0)  # frames of 0.2 s: near the rows -23, -16, -8, 0 that clients send


class RemotePolicyError(ValueError):
    """A server that is not there, does not fit, or answered with an error."""


class RemotePolicy:
    """As ``Policy``.

    Args:
        address: ``ws://HOST:PORT``.
        embodiment: the robot; the protocol is DROID's.

    Raises:
        RemotePolicyError: no server, or one for other pictures or actions.
    """

    untrained, canvases_per_frame = False, 1

    def __init__(self, address: str, embodiment: Embodiment) -> None:
        if embodiment.tag != _TAG:
            raise RemotePolicyError(
                f"{address}: the protocol is of {_TAG}, {embodiment.name} is {embodiment.tag}"
            )
        self.embodiment, self._address = embodiment, address
        self._connection: ClientConnection | None = None
        told = self._connect()
        self.description = f"remote: {address}"
        expected = {
            "action_space": "joint_position",
            "needs_wrist_camera": True,
            "n_external_cameras": 2,
        }
        differ = [
            f"{name}: expected {value!r}, got {told.get(name)!r}"
            for name, value in expected.items()
            if told.get(name) != value
        ]
        size = told.get("image_resolution")
        if size is not None and tuple(size) != embodiment.native_size:
            differ.append(f"image_resolution: expected {embodiment.native_size}, got {size}")
        if differ:
            raise RemotePolicyError(f"{address}: {'; '.join(differ)}")

    def begin(self, started_ns: int, scene: object = None) -> _Asking:
        """As ``Policy.begin``: the server forgets what it saw before."""
        if self._connection is None:
            self._connect()
        reply = self._exchange({"endpoint": "reset"})
        if not isinstance(reply, str):
            raise RemotePolicyError(f"{self._address}: expected a text answer to a reset")
        return _Asking(self, started_ns)

    def infer(self, request: dict[str, Any]) -> np.ndarray:
        """The array that the server answers a request with.

        Raises:
            RemotePolicyError: it answered with an error, or not at all.
        """
        reply = self._exchange({**request, "endpoint": "infer"})
        if isinstance(reply, str):
            self._close()
            raise RemotePolicyError(f"{self._address}: the server failed:\n{reply[-2000:]}")
        rows = np.asarray(_unpack(reply))
        base = self.embodiment.time_base
        expected = (base.rows_per_chunk, len(self.embodiment.joints))
        if rows.shape != expected or not np.isfinite(rows).all():
            raise RemotePolicyError(
                f"{self._address}: expected finite actions {list(expected)}, got {list(rows.shape)}"
            )
        return rows.astype(np.float64)

    def _connect(self) -> dict[str, Any]:
        try:
            self._connection = connect(
                self._address,
                open_timeout=_OPEN_S,
                compression=None,
                max_size=None,
                ping_interval=None,  # a server that infers in its event loop cannot answer them
            )
            told = _unpack(self._connection.recv(timeout=_OPEN_S))
        except (OSError, WebSocketException, ValueError, TimeoutError) as error:
            self._close()
            raise RemotePolicyError(
                f"{self._address}: expected a policy's server there, got: {error or repr(error)}"
            ) from error
        if not isinstance(told, dict):
            raise RemotePolicyError(f"{self._address}: expected a map from the server first")
        return told

    def _exchange(self, request: dict[str, Any]) -> bytes | str:
        try:
            self._connection.send(_pack(request))
            return self._connection.recv(timeout=_ANSWER_S)
        except (OSError, WebSocketException, TimeoutError) as error:
            self._close()
            raise RemotePolicyError(
                f"{self._address}: no answer: {error or repr(error)}"
            ) from error

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Asking(Paced):
    """One session on a server."""

    def __init__(self, policy: RemotePolicy, session: int) -> None:
        super().__init__(policy.embodiment)
        self._policy, self._session = policy, session
        self._id = str(uuid.uuid4())
        self._seen: deque[Mapping[str, Image]] = deque(maxlen=1 - _OFFSETS[0])

    def saw(self, stamp_ns: int, pictures: Mapping[str, Image]) -> None:
        """Keeps the newest frames."""
        self._seen.append(pictures)

    def due(self, observation: Observation, replan_frames: int) -> bool:
        """At chunk boundaries only."""
        return super().due(observation, self._policy.embodiment.time_base.frames_per_chunk)

    def answer(self, observation: Observation) -> Answer:
        """Asks the server."""
        robot, number = self._policy.embodiment, self.answered(observation)
        state = dict(zip(robot.state_joints, observation.state, strict=True))
        arm = [state[j.name] for j in robot.joints if j.kind == "revolute"]
        gripper = [state[j.name] for j in robot.joints if j.kind == "gripper"]
        request: dict[str, Any] = {
            "observation/joint_position": np.array(arm, dtype=np.float64),
            "observation/gripper_position": np.array(gripper, dtype=np.float64),
            "observation/cartesian_position": np.zeros(6),
            "prompt": observation.prompt,
            "session_id": self._id,
        }
        for view, key in _VIEWS.items():
            request[key] = self._frames(view, number == 0)
        rows = self._policy.infer(request)
        return Answer(chunk_of(robot, observation, rows, self._session, number))

    def _frames(self, view: str, first: bool) -> Image:
        """[H, W, 3] at first, then [4, H, W, 3], the oldest first."""
        newest = len(self._seen) - 1
        size = self._policy.embodiment.native_size
        offsets = (0,) if first else _OFFSETS
        frames = [_sized(self._seen[max(0, newest + k)][view], size) for k in offsets]
        return frames[0] if first else np.stack(frames)


def _sized(picture: Image, size: tuple[int, int]) -> Image:
    """A simulated camera may be smaller than the robot's."""
    if picture.shape[:2] == size:
        return picture
    from dreamzero_policy.observation.views import to_native

    return to_native(picture, size)


def _pack(value: Any) -> bytes:
    return msgpack.packb(value, default=_encoded)


def _unpack(data: bytes | str) -> Any:
    if isinstance(data, str):
        raise ValueError(f"expected binary data, got the text {data[:200]!r}")
    return msgpack.unpackb(data, object_hook=_decoded, strict_map_key=False)


def _encoded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "VOc":
            raise ValueError(f"expected an array of numbers, got {value.dtype}")
        return {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": list(value.shape),
        }
    raise TypeError(f"expected plain values and arrays, got {type(value).__name__}")


def _decoded(value: dict) -> Any:
    if b"__ndarray__" in value:
        return np.ndarray(
            buffer=value[b"data"], dtype=np.dtype(value[b"dtype"]), shape=value[b"shape"]
        )
    if b"__npgeneric__" in value:
        return np.dtype(value[b"dtype"]).type(np.frombuffer(value[b"data"], value[b"dtype"])[0])
    return value
