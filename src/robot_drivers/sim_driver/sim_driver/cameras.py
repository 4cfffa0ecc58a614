"""Off-screen pictures of the simulated scene, without a display: MuJoCo's renderer on EGL.

On a machine without a GPU, Mesa renders in software. A picture of 320x180 takes about 3 ms there,
because the scene switches shadow maps and multisampling off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from types import ModuleType

import mujoco
import numpy as np

from dreamzero_policy.types import Float, Image
from sim_driver.hardware import SimulatedRobot
from sim_driver.models.description import SimView

EGL_PACKAGES = "libegl1 libgl1-mesa-dri"
"""Debian's packages for headless rendering."""


class RenderingUnavailableError(ValueError):
    """This machine cannot render; the message says what to install."""


def _egl() -> ModuleType:
    """MuJoCo's EGL module, imported late: the import itself needs libEGL.

    Mesa's software renderer would start a thread per core. Pictures this small are drawn sooner,
    and with a third less CPU, by the calling thread alone; a real GPU ignores the setting.
    """
    os.environ.setdefault("LP_NUM_THREADS", "0")
    import mujoco.egl

    return mujoco.egl


class Cameras:
    """Renders the views of one scene, only in the thread that made it (OpenGL's rule)."""

    def __init__(self, model: mujoco.MjModel, views: tuple[SimView, ...]) -> None:
        """Opens an off-screen context for the largest view.

        Raises:
            RenderingUnavailableError: EGL or its driver is missing.
        """
        width, height = model.vis.global_.offwidth, model.vis.global_.offheight
        try:
            self._context = _egl().GLContext(width, height)
            self._context.make_current()
            self._renderer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        except Exception as error:  # PyOpenGL raises another class for each thing missing
            raise RenderingUnavailableError(
                f"the simulated cameras need EGL, and it did not start ({error}). "
                f"Install it: sudo apt-get install -y --no-install-recommends {EGL_PACKAGES}"
            ) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._renderer)
        self._model = model
        self._data = mujoco.MjData(model)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 32)
        self._option, self._perturb = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._views = {view.name: view for view in views}
        self._lens = mujoco.MjvCamera()
        self._lens.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def see(self, scene_state: Float) -> None:
        """Takes what ``SimulatedRobot.scene_state`` gave; later pictures show that instant."""
        self._data.qpos[:] = scene_state
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    def render(self, view: str) -> Image:
        """[H, W, 3] uint8 RGB, the top row first, at the view's native size.

        Raises:
            ValueError: there is no view of that name.
        """
        if view not in self._views:
            raise ValueError(f"no view {view!r}; there are: {', '.join(self._views)}")
        size = self._views[view]
        area = mujoco.MjrRect(0, 0, size.width, size.height)
        self._lens.fixedcamid = self._model.camera(view).id
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            self._option,
            self._perturb,
            self._lens,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        mujoco.mjr_render(area, self._scene, self._renderer)
        pixels = np.empty((size.height, size.width, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, area, self._renderer)
        return np.ascontiguousarray(pixels[::-1])

    def close(self) -> None:
        """Frees the context; call it in the thread that made it."""
        self._renderer.free()
        self._context.free()


def film(
    simulated: Callable[[], SimulatedRobot],
    stamp: Callable[[], int],
    wanted: Callable[[str], bool],
    deliver: Callable[[str, int, Image], None],
) -> Generator[None, None, None]:
    """Films the scene, one picture of every view per round; work for a ``PacedThread``.

    While it draws, Python is free for other threads.

    Args:
        simulated: whose scene is filmed; it may become another one of the same robot.
        stamp: the instant for messages [ns], read when the scene is looked at.
        wanted: whether anyone watches a view; others are not drawn.
        deliver: takes view, stamp [ns] (one for all views of a round), picture [H, W, 3] uint8.

    Raises:
        RenderingUnavailableError: EGL or its driver is missing.
    """
    robot = simulated()
    cameras = Cameras(robot.model, robot.robot.views)
    try:
        while True:
            yield
            if simulated() is not robot:
                cameras.close()
                robot = simulated()
                cameras = Cameras(robot.model, robot.robot.views)
            views = [view.name for view in robot.robot.views if wanted(view.name)]
            if views:
                now = stamp()
                cameras.see(robot.scene_state())
                for view in views:
                    deliver(view, now, cameras.render(view))
    finally:
        cameras.close()
