"""MuJoCo robots and cameras behind the topics of a hardware driver."""

import os

# MuJoCo picks a graphics library when it is imported and, told to use EGL, fails there with a
# traceback where EGL is missing. This package opens EGL itself, in cameras.py, and says what to
# install.
os.environ["MUJOCO_GL"] = "off"
