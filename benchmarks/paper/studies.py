"""The studies: the paper's findings, each as arms that differ in one thing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from paper.recipes import Part, Recordings, Training, Trial, settings
from paper.sizes import Size
from paper.study import Arm, Claim, Study

BOTH = ("seen", "unseen")


@dataclass(frozen=True)
class World:
    """What the studies are about.

    Attributes:
        tasks: of the catalogue (``dreamzero sim-tasks``).
        robot: whose policy is tried.
        other: the robot that videos come from, and that is new in the few-shot study.
        size: of everything.
    """

    tasks: tuple[str, ...]
    robot: str
    other: str
    size: Size

    @property
    def own(self) -> Recordings:
        """Of the robot: a new scene every time."""
        return Recordings(self.robot, self.tasks, self.size.own_minutes)

    @property
    def new(self) -> Recordings:
        """Of the other robot."""
        return Recordings(self.other, self.tasks, self.size.new_minutes)

    def start(self, data: Recordings) -> Training:
        """What a network of some data begins with: where to go, from actions alone."""
        size, parts = self.size, (Part(data),)
        decide = Training(
            parts, size.decide_steps, size.decide_batch, 1, size.decide_stride, start=True
        )
        return Training(
            parts, size.everywhere_steps, size.batch, 1, size.stride, start=True, after=decide
        )

    def network(self, data: Recordings) -> Training:
        """A whole one of video and actions, in windows of one chunk."""
        size = self.size
        start = self.start(data)
        return Training(start.parts, size.steps, size.batch, 1, size.stride, after=start)

    @property
    def base(self) -> Training:
        """Joint, on diverse data: what studies compare with."""
        return self.network(self.own)

    @property
    def history(self) -> Training:
        """Teacher-forced over several chunks, as many of them a step."""
        size = self.size
        return replace(self.base, chunks=size.chunks, batch=max(1, size.batch // size.chunks))

    def tuning(self, parts: tuple[Part, ...]) -> Training:
        """A shorter training, after the base."""
        return replace(self.base, parts=parts, steps=self.size.tuning_steps, after=self.base)

    def trial(self, training: Training, robot: str = "") -> Trial:
        """As a policy is tried where a study says nothing else."""
        size = self.size
        return Trial(
            training=training,
            robot=robot or self.robot,
            tasks=self.tasks,
            replan_frames=size.replan_frames,
            latency_s=size.latency_s,
            time_limit_s=size.time_limit_s,
            picture_width=size.picture_width,
            engine=settings(guidance_scale=size.guidance, evaluations=size.evaluations),
        )


def studies(world: World) -> tuple[Study, ...]:
    """All of them."""
    made = (joint, diversity, refresh, architecture, steps, transfer, few_shot, seams)
    return tuple(each(world) for each in made)


def joint(world: World) -> Study:
    """Whether predicting video helps to act."""
    alone = replace(world.base, video=False)
    arms = (
        Arm("joint", world.trial(world.base)),
        Arm("action only", world.trial(alone)),
    )
    paper = "5.1 Q1, Q2: the joint model is far above action models of the same data"
    return Study(
        "joint",
        "Joint video and action against action only",
        "Joint 62.2 % of task progress, the best pretrained VLA 27.4 % (seen tasks, AgiBot); "
        "39.5 % against 16.3 % on unseen ones; VLAs from scratch near 0.",
        "The action model here is the same network with the same data and steps, and no frame to "
        "predict in its sequence: no other architecture. Both begin with the same two trainings on "
        "actions alone, as a small network hardly acts without them; what differs is the third.",
        arms,
        tuple(Claim("higher", "joint", "action only", split, paper=paper) for split in BOTH),
        BOTH,
    )


def diversity(world: World) -> Study:
    """Whether many scenes once teach more than few scenes often."""
    few = replace(world.own, distinct=world.size.distinct)
    arms = (
        Arm("diverse", world.trial(world.base)),
        Arm("repetitive", world.trial(world.network(few))),
    )
    return Study(
        "diversity",
        "Diverse against repetitive data of the same length",
        "Diverse 50 %, repetitive 33 % of task progress (Table 2, 14B, 50 thousand steps).",
        f"Repetitive means {world.size.distinct} scenes with their instructions, done again and "
        "again with other habits of the expert; diverse means another scene every time.",
        arms,
        tuple(Claim("higher", "diverse", "repetitive", split, paper="Table 2") for split in BOTH),
        BOTH,
    )


def refresh(world: World) -> Study:
    """What the context should hold."""
    chunk = world.trial(world.history).otherwise(replan_frames=8)
    arms = (
        Arm("observed frames", chunk),
        Arm("predicted frames", chunk.otherwise(engine=settings(refresh="predicted"))),
        Arm("no history", chunk.otherwise(engine=settings(window_blocks=1))),
    )
    return Study(
        "refresh",
        "The context: observed frames, predicted frames, none",
        "Observed frames in the cache after every chunk do away with errors that add up (3.1); "
        "no table.",
        "All arms are asked once per chunk of 1.6 s, since between two boundaries only observed "
        "frames are known. No history begins anew from the newest frame at every call.",
        arms,
        (
            Claim("higher", "observed frames", "predicted frames", "seen", paper="3.1"),
            Claim("higher", "observed frames", "no history", "seen", paper="3.1"),
        ),
        ("seen",),
    )


def architecture(world: World) -> Study:
    """Whether chunks that see those before them do better than single ones."""
    arms = (
        Arm("autoregressive", world.trial(world.history)),
        Arm("single chunk", world.trial(world.base)),
    )
    return Study(
        "architecture",
        "Teacher-forced autoregressive against single-chunk",
        "50 % of task progress for both; autoregressive motion is smoother (Table 2).",
        "Single-chunk stands for the bidirectional model: one frame, one chunk, no history, in "
        f"training and when it acts; the other one has {world.size.chunks} chunks in a window, as "
        "many a step. Both begin with the same trainings on single chunks. Smoothness is not "
        "compared.",
        arms,
        (Claim("equal", "autoregressive", "single chunk", "seen", paper="Table 2"),),
        ("seen",),
    )


def steps(world: World) -> Study:
    """How many evaluations are enough, with and without decoupled noise."""
    trained = {"plain": world.base, "flash": replace(world.base, noise="decoupled")}
    counts = {16: "all", 4: 4, 1: 1}
    arms = tuple(
        Arm(
            f"{name}, {count} step{'s' if count > 1 else ''}",
            world.trial(training).otherwise(engine=settings(evaluations=evaluations)),
        )
        for name, training in trained.items()
        for count, evaluations in counts.items()
    )
    plain_4, plain_1, flash_1 = "plain, 4 steps", "plain, 1 step", "flash, 1 step"
    return Study(
        "steps",
        "16, 4 and 1 steps, with and without Flash",
        "4 steps 83 %, 1 step 52 %, Flash with 1 step 74 % of task progress (Table 3).",
        "Flash is trained like the plain network, after the same two trainings on actions alone; "
        "only its noise differs. With more than one step its video is left with noise of 0.8, as "
        "the reference does.",
        arms,
        (
            Claim("higher", plain_4, plain_1, "seen", paper="Table 3"),
            Claim("higher", flash_1, plain_1, "seen", paper="Table 3"),
            Claim("keeps", flash_1, plain_4, "seen", share=0.85, paper="Table 3"),
            Claim("keeps", plain_4, "plain, 16 steps", "seen", share=0.85, paper="A.5.3"),
        ),
        ("seen",),
    )


def transfer(world: World) -> Study:
    """Whether another robot's videos tell what names mean that the own one has never heard."""
    videos = Recordings(world.other, world.tasks, world.size.video_minutes, split="unseen")
    own = Part(world.own)
    arms = (
        Arm("own data", world.trial(world.tuning((own,)))),
        Arm("with videos", world.trial(world.tuning((own, Part(videos, actions=False))))),
    )
    return Study(
        "transfer",
        "Videos of another robot that is told names which the own one has not heard",
        "38.3 % of task progress on unseen tasks, 55.4 % with 20 minutes of videos (Table 1).",
        "Unseen are names made of colour and thing, not motions. Both arms go on from the same "
        "network for as many steps; videos are drawn as often as own windows.",
        arms,
        (Claim("higher", "with videos", "own data", "unseen", paper="Table 1"),),
        ("unseen",),
    )


def few_shot(world: World) -> Study:
    """Whether a robot is learned in 30 minutes because another one is known."""
    fresh = world.network(world.new)
    after = replace(fresh, after=world.base)
    arms = (
        Arm("after another robot", world.trial(after, world.other)),
        Arm("from nothing", world.trial(fresh, world.other)),
    )
    return Study(
        "few_shot",
        f"{world.size.new_minutes:g} minutes of a new robot",
        "30 minutes of YAM after AgiBot follow instructions with unseen things (Figure 7); no "
        "comparison with a training from nothing.",
        "Both have the same last training, of video and actions. From nothing there are two more "
        "before it, on the new robot's actions. The video VAE has seen both robots, as a large one "
        "has seen everything. Figures are of the new robot.",
        arms,
        tuple(
            Claim("higher", "after another robot", "from nothing", split, paper="A.1")
            for split in BOTH
        ),
        BOTH,
    )


def seams(world: World) -> Study:
    """How chunks are joined, and how often there is a new one."""
    base = world.trial(world.base)
    held = base.otherwise(
        engine=settings(real_time_chunking=True),
        controller=settings(seam="real_time_chunking"),
    )
    arms = (
        Arm("cross-fade", base),
        Arm("temporal ensemble", base.otherwise(controller=settings(seam="temporal_ensemble"))),
        Arm("real-time chunking", held),
        Arm("cross-fade, every frame", base.otherwise(replan_frames=1)),
        Arm("cross-fade, once a chunk", base.otherwise(replan_frames=8)),
    )
    return Study(
        "seams",
        "How chunks are joined and how often they come",
        "Calls beside the motion, on the newest observation, keep the robot reactive (A.5.2); no "
        "table, and no comparison of seams.",
        f"Where nothing is said there is a call every {base.replan_frames} frames of 0.2 s, and a "
        f"chunk comes {base.latency_s:g} s after it.",
        arms,
        (
            Claim("higher", "cross-fade", "cross-fade, once a chunk", "seen", paper="A.5.2"),
            Claim("equal", "cross-fade", "cross-fade, every frame", "seen"),
            Claim("equal", "cross-fade", "temporal ensemble", "seen"),
            Claim("equal", "cross-fade", "real-time chunking", "seen"),
        ),
        ("seen",),
    )
