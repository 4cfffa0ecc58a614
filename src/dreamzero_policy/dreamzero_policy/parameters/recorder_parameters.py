"""What an installation may set of the recorder."""

from __future__ import annotations

from dataclasses import dataclass

from dreamzero_policy.recording.quality import Thresholds
from dreamzero_policy.recording.recorder import RecorderSettings
from dreamzero_policy.ros.parameters import NodeParameters, parameter


@dataclass(frozen=True, kw_only=True)
class RecorderParameters(NodeParameters):
    """What an installation may set."""

    folder: str = parameter("~/dreamzero_episodes", "Where episodes are kept.")
    operator_name: str = parameter("", "Who records, where a goal does not say it.")
    place: str = parameter("", "Where, where a goal does not say it.")
    checkpoint: str = parameter("", "Which weights drive; empty where a human does.")
    robot_file: str = parameter("", "Path of the installation's file of the robot.")
    limits: tuple[str, ...] = parameter((), "Limits that the controller was given, as name=value.")
    software: str = parameter("", "Version of this software.")

    pictures: str = parameter(
        "jpeg",
        "How raw pictures are recorded. Those that come compressed are kept as they are.",
        choices=("jpeg", "as_received"),
    )
    jpeg_quality: int = parameter(
        92, "Of pictures that are compressed here.", at_least=1, at_most=100
    )
    encoders: int = parameter(1, "Threads that compress pictures.", at_least=1, at_most=16)
    compressed_views: tuple[str, ...] = parameter(
        (), "Views that come as CompressedImage on <view>/image_raw/compressed."
    )
    joint_topics: tuple[str, ...] = parameter(
        ("joint_states",), "Topics of measured joints; as proprioception.sources."
    )
    without: tuple[str, ...] = parameter((), "Topics that are not recorded, by our names.")
    also: tuple[str, ...] = parameter((), "Further topics, as name=package/msg/Type.")

    queue_mib: int = parameter(
        256, "Messages between receiving and writing [MiB].", at_least=8, at_most=16384
    )
    flush_s: float = parameter(
        0.5, "What is older survives a killed process [s].", at_least=0.05, at_most=1.0
    )
    sync_s: float = parameter(
        1.0, "What is older survives a power cut [s].", at_least=0.2, at_most=60.0
    )
    disk_start_gib: float = parameter(
        10.0, "Free space with which an episode may begin [GiB].", at_least=0.0
    )
    disk_stop_gib: float = parameter(
        2.0, "Free space at which an episode ends, kept [GiB].", at_least=0.0
    )

    max_gap_s: float = parameter(
        0.3, "Longest time between two messages of a camera or joint topic [s].", at_least=0.02
    )
    rate_share: float = parameter(
        0.8,
        "Least share of the rate that such a topic had at the start.",
        at_least=0.0,
        at_most=1.0,
    )
    max_skew_s: float = parameter(
        0.3, "Largest time between a stamp and its receipt, either way [s].", at_least=0.01
    )
    frozen_after_s: float = parameter(
        1.5,
        "A picture that stays the same for so long, while the robot moves, is frozen [s].",
        at_least=0.7,
        at_most=10.0,
    )
    frozen_motion: float = parameter(
        0.1,
        "How far the robot must have moved meanwhile: the joints' ranges added up [rad or m].",
        at_least=0.01,
        at_most=3.0,
    )
    still_views: tuple[str, ...] = parameter((), "Views that may stand still or be black.")
    idle_speed: float = parameter(
        0.01, "Below it in every joint the robot stands still [rad/s, m/s or 1/s].", at_least=0.0
    )
    max_idle: float = parameter(
        0.5, "Largest share of an episode in which it may.", at_least=0.0, at_most=1.0
    )
    idle_least_s: float = parameter(
        20.0, "Length of an episode from which on that is judged [s].", at_least=1.0
    )

    def recorder_settings(self) -> RecorderSettings:
        """The same for the recorder.

        Raises:
            ValueError: an episode would end before it may begin.
        """
        if self.disk_start_gib <= self.disk_stop_gib:
            raise ValueError(
                f"parameter disk_start_gib: expected more than disk_stop_gib, which is "
                f"{self.disk_stop_gib:g}, got {self.disk_start_gib:g}"
            )
        return RecorderSettings(
            jpeg_quality=self.jpeg_quality if self.pictures == "jpeg" else 0,
            queue_bytes=self.queue_mib << 20,
            flush_s=self.flush_s,
            sync_s=self.sync_s,
            encoders=self.encoders,
            disk_start_bytes=round(self.disk_start_gib * (1 << 30)),
            disk_stop_bytes=round(self.disk_stop_gib * (1 << 30)),
            thresholds=Thresholds(
                max_gap_s=self.max_gap_s,
                rate_share=self.rate_share,
                max_skew_s=self.max_skew_s,
                frozen_after_s=self.frozen_after_s,
                frozen_motion=self.frozen_motion,
                idle_speed=self.idle_speed,
                max_idle=self.max_idle,
                idle_after_s=self.idle_least_s,
            ),
            still_views=self.still_views,
        )
