"""Whether a camera gives the images that the policy was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from dreamzero_bringup.doctor.finding import Finding, failed, passed, warned
from dreamzero_bringup.doctor.stream_checks import age, presence, rate, stamps
from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.facts.live_facts import Camera

_DARK = 16.0  # of 255
_FLAT = 2.0  # of 255, standard deviation
_ENOUGH = 5  # images, to call equal ones frozen


def check(view: str, camera: Camera, expected: Expected) -> list[Finding]:
    """One row for a camera that is well, otherwise one for everything that is wrong."""
    problems = list(_problems(view, camera, expected))
    if problems:
        return problems
    sizes = ", ".join(f"{width}x{height}" for width, height in camera.sizes)
    found = (
        f"{camera.stream.rate_hz:.1f} Hz, {sizes} {camera.encoding}, frame {camera.frame_id}, "
        f"{age(camera.stream)}"
    )
    return [passed(view, found)]


def _problems(view: str, camera: Camera, expected: Expected) -> Iterator[Finding]:
    stream, ours = camera.stream, expected.camera(view)
    kind = "CompressedImage" if view in expected.compressed else "Image"
    absent = presence(view, stream, f"sensor_msgs/msg/{kind}", ours, camera.alternatives, expected)
    if absent:
        yield absent
        return
    yield from _size(view, camera, expected)
    if camera.error:
        yield failed(
            f"{view}: encoding",
            camera.error,
            fix="set the camera driver's pixel format to rgb8 or bgr8",
        )
    yield from rate(f"{view}: rate", stream, expected.frame_hz, expected.image_max_age_s)
    yield from stamps(
        f"{view}: stamps", stream, expected.image_max_age_s, expected.clock_tolerance_s
    )
    if not camera.frame_id:
        yield warned(
            f"{view}: frame_id",
            "empty",
            expected="a name, by which recordings and viewers tell cameras apart",
            fix=f"set the frame_id parameter of {stream.publishers[0]}",
        )
    yield from _picture(view, camera, expected)


def _size(view: str, camera: Camera, expected: Expected) -> Iterator[Finding]:
    """Every image has the aspect ratio of the training data and not fewer pixels."""
    height, width = expected.robot.native_size
    ratio = gcd(width, height)
    native = f"{width}x{height}, or larger {width // ratio}:{height // ratio}"
    what, found = f"{view}: size", ", ".join(f"{w}x{h}" for w, h in camera.sizes)
    if len(camera.sizes) > 1:
        yield failed(
            what, found, expected="one size", fix=f"ros2 topic info -v {camera.stream.topic}"
        )
    elif any(w * height != h * width for w, h in camera.sizes):
        yield failed(
            what,
            f"{found}: another aspect ratio, the tiler refuses it",
            expected=native,
            fix=f"set the camera's resolution to {width}x{height} or a multiple of it",
        )
    elif any(w < width for w, _ in camera.sizes):
        yield warned(
            what,
            f"{found}: enlarged, without the detail that the policy was trained on",
            expected=native,
            fix=f"set the camera's resolution to {width}x{height} or a multiple of it",
        )


def _picture(view: str, camera: Camera, expected: Expected) -> Iterator[Finding]:
    """Whether there is anything to see, and whether it is live."""
    if camera.error:
        return
    if camera.brightest < _DARK:
        yield warned(
            f"{view}: picture",
            f"black: 99 of 100 values are below {camera.brightest:.0f} of 255",
            fix="take the lens cap off, put the light on, or let the camera set its exposure",
        )
    elif camera.spread < _FLAT:
        yield warned(
            f"{view}: picture",
            f"of one colour: values spread by {camera.spread:.1f} of 255",
            fix="look at it (rqt_image_view): covered lens or a failed sensor; plug it in again",
        )
    if camera.pictures == 1 and camera.stream.count >= _ENOUGH and not expected.simulated:
        yield warned(
            f"{view}: picture",
            f"frozen: {camera.stream.count} images equal to the last bit",
            fix=f"restart {camera.stream.publishers[0]}; plug the camera in again",
        )
