"""A policy behind a real websocket: handshake, requests, errors; the server is the test's own."""

import threading
from contextlib import contextmanager

import msgpack
import numpy as np
import pytest
from websockets.sync.server import serve

from dreamzero_policy import embodiments
from dreamzero_policy.evaluation import remote_policy
from dreamzero_policy.evaluation.remote_policy import RemotePolicy, RemotePolicyError
from dreamzero_policy.types import Observation

ROBOT = embodiments.get("droid")
CONFIG = {
    "image_resolution": [180, 320],
    "needs_wrist_camera": True,
    "n_external_cameras": 2,
    "needs_stereo_camera": False,
    "needs_session_id": True,
    "action_space": "joint_position",
}


def packed(array):
    """As the public servers send it; written out here, so that both ends cannot be wrong alike."""
    return msgpack.packb(
        {
            b"__ndarray__": True,
            b"data": np.ascontiguousarray(array).tobytes(),
            b"dtype": array.dtype.str,
            b"shape": list(array.shape),
        }
    )


@contextmanager
def server(answer, config=CONFIG):
    """A server whose answer to a request is a function's; its address, and what it was asked."""
    asked = []

    def handle(connection):
        connection.send(msgpack.packb(config))
        for data in connection:
            request = msgpack.unpackb(data, strict_map_key=False)
            asked.append(request)
            if request["endpoint"] == "reset":
                connection.send("reset successful")
            else:
                connection.send(answer(request))

    with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}", asked
        running.shutdown()


def drive(policy, frames):
    """Shows an attempt so many frames; its answers."""
    attempt, answers = policy.begin(7), []
    example = ROBOT.example()
    for frame in range(frames):
        stamp = example.stamps_ns + frame * ROBOT.time_base.frame_ns
        pictures = {
            v.name: np.full((180, 320, 3), 10 * frame + n, np.uint8)
            for n, v in enumerate(ROBOT.views)
        }
        attempt.saw(int(stamp[0]), pictures)
        observation = Observation(example.canvases, stamp, example.state, "put it there")
        if attempt.due(observation, 1):
            answers.append(attempt.answer(observation))
    return answers


def test_requests_and_answers():
    actions = np.arange(24 * 8, dtype="<f4").reshape(24, 8) / 100
    with server(lambda request: packed(actions)) as (address, asked):
        answers = drive(RemotePolicy(address, ROBOT), 18)
    assert [request["endpoint"] for request in asked] == ["reset", "infer", "infer", "infer"]
    np.testing.assert_allclose(answers[0].chunk.rows, actions)
    assert answers[1].chunk.start_ns - answers[0].chunk.start_ns == ROBOT.time_base.chunk_ns
    first, second = asked[1], asked[2]
    assert first["prompt"] == "put it there"
    assert first["session_id"] == second["session_id"]
    state = ROBOT.example().state
    joints = first["observation/joint_position"]
    assert joints[b"shape"] == [7]
    np.testing.assert_allclose(np.frombuffer(joints[b"data"], joints[b"dtype"]), state[:7])
    views = [view.name for view in ROBOT.views]
    for key, view in (
        ("exterior_image_0_left", "exterior_1"),
        ("exterior_image_1_left", "exterior_2"),
        ("wrist_image_left", "wrist"),
    ):
        one, four = first[f"observation/{key}"], second[f"observation/{key}"]
        assert (one[b"shape"], one[b"dtype"]) == ([180, 320, 3], "|u1")
        assert four[b"shape"] == [4, 180, 320, 3]
        frames = np.frombuffer(four[b"data"], np.uint8).reshape(4, -1)[:, 0]
        assert frames.tolist() == [10 * k + views.index(view) for k in (0, 3, 5, 8)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda request: "Traceback: out of memory", "the server failed:\nTraceback: out of"),
        (lambda request: packed(np.zeros((1, 8), "<f4")), r"expected finite actions \[24, 8\]"),
        (lambda request: packed(np.full((24, 8), np.nan)), "expected finite actions"),
    ],
)
def test_an_answer_that_is_none(answer, message):
    with server(answer) as (address, _):
        policy = RemotePolicy(address, ROBOT)
        with pytest.raises(RemotePolicyError, match=message):
            drive(policy, 1)


def test_servers_that_do_not_fit():
    other = {**CONFIG, "action_space": "joint_velocity", "image_resolution": [224, 224]}
    with server(None, other) as (address, _), pytest.raises(RemotePolicyError) as caught:
        RemotePolicy(address, ROBOT)
    assert "action_space: expected 'joint_position', got 'joint_velocity'" in str(caught.value)
    assert "image_resolution: expected (180, 320), got [224, 224]" in str(caught.value)
    with pytest.raises(RemotePolicyError, match="expected a policy's server there"):
        RemotePolicy("ws://127.0.0.1:9", ROBOT)
    with pytest.raises(RemotePolicyError, match="the protocol is of oxe_droid, yam is"):
        RemotePolicy("ws://127.0.0.1:9", embodiments.get("yam"))


def test_arrays_there_and_back():
    for array in (np.arange(6, dtype="<f4").reshape(2, 3), np.zeros((0, 2)), np.array([True])):
        again = remote_policy._unpack(remote_policy._pack({"a": array}))["a"]
        np.testing.assert_array_equal(again, array)
        assert again.dtype == array.dtype
    with pytest.raises(ValueError, match="array of numbers"):
        remote_policy._pack({"a": np.array([object()])})
