"""A model that answers observations with chunks: synchronous, and the same every time.

One engine serves many sessions; threads are the worker's. A call carries out what the session's
rules say (``session.py``, ``context.py``), denoises one block (``sampling/sampler.py``) and turns
it into absolute targets, anchored to the state that went into that very call (design: model.md 1.4,
data.md 2.5, 9.1).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy.acceleration import prepare
from dreamzero_policy.acceleration.onednn import prefer_onednn
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.acceleration.streams import Streams
from dreamzero_policy.checkpoint.load import Loaded
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.inference.context import Contexts
from dreamzero_policy.inference.continuation import Continuation, Loose, continuation
from dreamzero_policy.inference.noise import Noise
from dreamzero_policy.inference.prediction import FrameDecoder, Prediction
from dreamzero_policy.inference.prompts import Prompts
from dreamzero_policy.inference.session import Plan, ResetReason, Session
from dreamzero_policy.normalize import ModelVectors
from dreamzero_policy.ranks.ranks import Ranks
from dreamzero_policy.sampling.cancellation import CancelledError, Superseded, watched
from dreamzero_policy.sampling.prefix import Prefix
from dreamzero_policy.sampling.sampler import Denoised, denoise_block
from dreamzero_policy.sampling.schedule import flow_schedule
from dreamzero_policy.sampling.stages import Stages
from dreamzero_policy.sampling.step_cache import step_cache
from dreamzero_policy.sampling.window import Window
from dreamzero_policy.types import ActionChunk, Float, Image, Int, Observation

_FARTHEST = 5.0
"""Largest known value, normalised: the network has seen none beyond, not even as noise."""

_ACTIONS_ALONE = (
    "the weights were trained on actions alone (predict_video=false): no video is predicted"
)


@dataclass(frozen=True)
class Inference:
    """What one call gave.

    Attributes:
        chunk: absolute targets with due times.
        latents: [1, C, K, h, w] float32, the predicted frames; None where the last evaluation gave
            no video.
        context: real latents in front of them, each [1, C, F, h, w].
        kind: ``commit`` if the window stands at a boundary, ``lookahead`` between two.
        evaluations: timesteps at which the network ran.
        stages: seconds by stage; ``total`` is the whole call.
        reset_reason: why the window restarted in this call; None: it did not.
        loose: why no row was held to the chunk before although one was asked to be.
        divergence: of the block that ended with this call, how far the predicted latents were from
            those observed, and how far a still picture would have been, both over the size of what
            was observed; None where no block ended or it had not been predicted.
    """

    chunk: ActionChunk
    latents: Tensor | None
    context: tuple[Tensor, ...]
    kind: str
    evaluations: int
    stages: dict[str, float]
    reset_reason: ResetReason | None
    loose: Loose | None = None
    divergence: tuple[float, float] | None = None


class Engine:
    """Runs a loaded model for one kind of robot.

    Args:
        loaded: from ``checkpoint.load``.
        embodiment: the robot as the checkpoint sees it, ``loaded.embodiment``.
        options: how to run it.
        ranks: processes that share the work, started with the same options; None: this one alone.

    Raises:
        ValueError: the checkpoint does not fit the robot, or an option is out of range.
        RankError: a rank ended or did not come up.
    """

    def __init__(
        self,
        loaded: Loaded,
        embodiment: Embodiment,
        options: EngineOptions | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        options = EngineOptions() if options is None else options
        self.config, self.time_base = loaded.config, loaded.time_base
        self.embodiment, self.options = embodiment, options
        self.description, self.untrained = loaded.description, loaded.untrained
        self._check_fit(loaded)
        self._model = loaded.model
        self._vectors = ModelVectors(
            embodiment,
            loaded.state_statistics,
            loaded.action_statistics,
            loaded.config.max_state_dim,
            loaded.config.max_action_dim,
        )
        runs = options.evaluations or loaded.config.evaluations
        self._step_cache = step_cache(runs, options.timesteps)
        self._action_schedule = flow_schedule(options.timesteps, options.shift)
        final = options.final_video_sigma
        final = loaded.config.final_video_sigma if final is None else final
        self._video_schedule = flow_schedule(options.timesteps, options.shift, final)
        self._notices: list[str] = [] if loaded.config.trained_video else [_ACTIONS_ALONE]
        self._guidance = options.guidance_scale if loaded.config.trained_video else 1.0
        self._compiles = prepare.compiles(options, loaded.model.device)
        self._blocks = options.window_blocks or loaded.config.usual_blocks
        self._ranks, self._streams = ranks, Streams(loaded.model.device)
        network = partial(prepare.network, loaded.model, options, self._notices.append)
        if ranks is None:
            self._network = network()
            new_window = partial(Window, self._network, self.branches, blocks=self._blocks)
        else:
            lead = ranks.join(network, self._blocks)
            self._network, new_window = lead.network, lead.window
        self._warm_blocks = options.warm_blocks if options.restart == "warm" else 0
        self._predicts = options.refresh == "predicted"
        self._contexts = Contexts(
            loaded.model, self._network, new_window, self._blocks, predicted=self._predicts
        )
        self._prompts = Prompts(
            loaded.model,
            self._network.dit,
            embodiment.prompt,
            guided=self.branches > 1,
            whole=options.literal,
        )
        self._noise = Noise(loaded.config, loaded.model.device, loaded.model.dtype)
        self._decoder = FrameDecoder(loaded.model, self._streams, self.time_base.frame_ns)
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        if self._model.device.type == "cpu":
            prefer_onednn(self._model.vae)

    def _check_fit(self, loaded: Loaded) -> None:
        """Refuses a checkpoint of another robot or of another division of time."""
        time_base, config, ours = loaded.time_base, loaded.config, self.embodiment
        checks = (
            ("embodiment tag", ours.tag, loaded.embodiment_tag),
            ("actions per block", config.num_action_per_block, time_base.rows_per_chunk),
            ("frames per block", config.frames_per_block, time_base.frames_per_chunk),
            ("states per block", 1, config.num_state_per_block),
            ("view size of loaded.embodiment", loaded.embodiment.view_size, ours.view_size),
            ("time base of loaded.embodiment", time_base, ours.time_base),
        )
        for what, expected, got in checks:
            if expected != got:
                raise ValueError(f"{loaded.description}: {what}: expected {expected}, got {got}")
        if self.options.refresh == "predicted" and not config.trained_video:
            raise ValueError(
                f"{loaded.description}: refresh: predicted frames need weights that predict video, "
                "got some that were trained without (predict_video=false)"
            )

    def new_session(self, started_ns: int) -> Session:
        """An episode; its memory is made at its first call and goes when the session does.

        Args:
            started_ns: when it began; must grow from session to session.
        """
        return Session(
            started_ns,
            frame_ns=self.time_base.frame_ns,
            frames_per_chunk=self.time_base.frames_per_chunk,
            blocks_per_window=self._blocks,
            warm_blocks=self._warm_blocks,
            canvases_per_frame=self.options.canvases_per_frame,
            boundaries_only=self._predicts,
        )

    def warm_up(self) -> None:
        """Runs every kind of call once on a made-up episode, so that none is slow later.

        What is compiled is compiled for every shape there is, and recorded for every length of the
        context.
        """
        session = self.new_session(0)
        frames = 2 * self.time_base.frames_per_chunk
        whole = self.embodiment.example(frames=frames)
        if self._compiles:
            with self._answering(), self._streams.call():
                self._warm_up_forwards(whole)
        between = () if self._predicts else (1,)
        ends = () if self._predicts else (frames - 1,)
        for newest in (0, *between, self.time_base.frames_per_chunk, *ends):
            seen = slice(0, newest + 1)
            observation = Observation(
                whole.canvases[seen], whole.stamps_ns[seen], whole.state, whole.prompt
            )
            self.infer(session, observation)
        session.end()
        if self._ranks is not None:
            self._ranks.warm()

    @torch.inference_mode()
    def _warm_up_forwards(self, example: Observation) -> None:
        """Every forward that the rules of sessions can ask for."""
        state = torch.from_numpy(self._vectors.state(example.state))
        states = state.to(self._model.device, self._model.dtype)[None, None]
        video, actions = self._noise.of(self.options.seed)
        # A block's only evaluation is its last, and comes with a refresh in front of it or without.
        once = self._step_cache.start(self.options.timesteps).last(0)
        marks = (True, True) if once else (False, False, True)

        def evaluate(window: Window) -> None:
            window.prepare()
            velocity = window.velocity(states, self._guidance, self.options.predicted_video)
            for last in marks:
                velocity(video, actions, self._video_schedule.timesteps[0], 0, last)

        texts = self._prompts.of(self.new_session(0), example.prompt)
        count = 2 if self.options.restart == "warm" else 1
        self._contexts.warm_up(example.canvases[0], texts, evaluate, count)

    def infer(
        self, session: Session, observation: Observation, superseded: Superseded | None = None
    ) -> Inference:
        """Answers an observation; the session moves on.

        Args:
            session: of this engine; calls with it must not overlap.
            observation: with enough canvases for what became due since the last call; whatever is
                missing restarts the window.
            superseded: asked between evaluations, from this thread; what it returns ends the call.

        Raises:
            ValueError: the observation does not fit the robot; the session is untouched.
            CancelledError: ``superseded`` gave a reason; the session is as it was before.
            RankError: a rank ended or hangs; the engine is of no use any more.
        """
        with self._answering(), self._streams.call():
            return self._infer(session, observation, superseded)

    @torch.inference_mode()
    def _infer(
        self, session: Session, observation: Observation, superseded: Superseded | None
    ) -> Inference:
        stages = Stages(self._model.device)
        self._check(observation)
        state = self._vectors.state(observation.state)
        plan = session.plan(observation)
        if self._predicts and plan.lookahead is not None:
            raise ValueError("refresh=predicted: expected an observation at a block boundary")
        prior = self._prior(session, plan, observation)
        held = prior if isinstance(prior, Continuation) else None
        prefix = self._prefix(held, observation.state) if held else None
        with stages("text"):
            texts = self._prompts.of(session, observation.prompt)
        try:
            standing = self._contexts.standing(session, plan, observation, texts, stages)
            with standing as divergence:
                with stages("denoise"):
                    block = self._denoise(session, state, prefix, stages, superseded)
                context = session.window.latents[-self.options.decode_context :]
            with stages("actions"):
                rows = block.actions[0].double().cpu().numpy()
                rows = self._vectors.actions(rows, observation.state)
        except CancelledError:
            raise
        except Exception:
            session.request_reset(ResetReason.CALL_FAILED)
            raise
        session.texts = texts
        if plan.lookahead is None and block.predicted is not None:
            session.expected = observation.newest_ns, block.predicted
        chunk = ActionChunk(
            observation_ns=observation.newest_ns,
            start_ns=observation.newest_ns,
            step_ns=self.time_base.row_ns,
            rows=rows,
            names=self.embodiment.action_joints,
            session=session.started_ns,
            sequence=session.advance(plan, observation),
            prefix_rows=held.committed if held else 0,
        )
        return Inference(
            chunk=chunk,
            latents=block.predicted,
            context=context,
            kind=plan.kind,
            evaluations=len(block.steps_run),
            stages=stages.done(),
            reset_reason=plan.reset,
            loose=prior if isinstance(prior, Loose) else None,
            divergence=None if divergence is None else tuple(divergence.tolist()),
        )

    @torch.inference_mode()
    def prepare(self, session: Session, observation: Observation, replan_frames: int) -> None:
        """Does now what a later call would do first, for a caller who has nothing else to do.

        Args:
            session: of this engine; not while a call with it is running.
            observation: the newest; it need not have been answered.
            replan_frames: which observations will be answered, as for ``Session.due``.
        """
        with self._answering(), self._streams.preparing():
            self._contexts.prepare(session, observation, replan_frames)

    @property
    def failure(self) -> str:
        """Why no call can be answered any more; empty while calls can."""
        return "" if self._ranks is None else self._ranks.failure

    def close(self) -> None:
        """Ends what the engine runs beside this process; of no use afterwards."""
        if self._ranks is not None:
            self._ranks.close()

    def _answering(self) -> AbstractContextManager:
        """Around whatever needs the other ranks."""
        return nullcontext() if self._ranks is None else self._ranks.answering()

    def predicted_frames(self, session: Session, inference: Inference) -> tuple[Int, Image] | None:
        """Decodes what the model expects to see; slow, and never part of ``infer``.

        Args:
            session: the one that the inference came from.
            inference: any of its results; it carries all that is needed, so the session may have
                moved on, in another thread too.

        Returns:
            Stamps [T] int64 ns, one frame apart, the first one frame after the observation, and
            canvases [T, H', W', 3] uint8 at the size that the VAE works at, T frames per block;
            None where the inference has no video.

        Raises:
            ValueError: the inference is another session's.
        """
        prediction = self.begin_prediction(session, inference)
        return None if prediction is None else (prediction.stamps_ns, prediction.frames())

    def begin_prediction(self, session: Session, inference: Inference) -> Prediction | None:
        """As ``predicted_frames``; on a GPU the frames are not waited for, and give way to calls.

        Args:
            session: the one that the inference came from.
            inference: any of its results.

        Raises:
            ValueError: the inference is another session's.
        """
        chunk = inference.chunk
        if chunk.session != session.started_ns:
            raise ValueError(
                f"inference: expected one of session {session.started_ns}, got {chunk.session}"
            )
        if inference.latents is None:
            return None
        return self._decoder.begin(chunk.observation_ns, inference.context, inference.latents)

    def _check(self, observation: Observation) -> None:
        """Refuses canvases of another size."""
        got, expected = observation.canvases.shape[1:3], self.embodiment.canvas_size
        if got != expected:
            raise ValueError(f"canvases: expected {list(expected)} pixels, got {list(got)}")

    @property
    def branches(self) -> int:
        """Copies of the network's memory: one per prompt that it runs under."""
        return prepare.branches(self.config, self.options)

    @property
    def notices(self) -> tuple[str, ...]:
        """What could not be done as the options ask and was replaced by something slower."""
        return tuple(self._notices)

    def _prior(
        self, session: Session, plan: Plan, observation: Observation
    ) -> Continuation | Loose | None:
        """What the call's chunk goes on from, if it is to."""
        if not self.options.real_time_chunking:
            return None
        return continuation(session, plan, observation, self.embodiment, self.options.prefix_decay)

    def _prefix(self, held: Continuation, state: Float) -> Prefix:
        """The chunk before as this call's normalised actions, relative to its state."""
        known = self._vectors.normalised_actions(held.rows, state, clip=False)
        values = np.zeros((self.config.num_action_per_block, known.shape[1]))
        values[: len(known)] = known.clip(-_FARTHEST, _FARTHEST)
        return Prefix.of(values, held.weights, self._model.device)

    def _denoise(
        self,
        session: Session,
        state: np.ndarray,
        prefix: Prefix | None,
        stages: Stages,
        superseded: Superseded | None,
    ) -> Denoised:
        """Samples the block behind the context."""
        device, dtype = self._model.device, self._model.dtype
        seed = self.options.seed + (session.sequence if self.options.fresh_noise else 0)
        video, actions = self._noise.of(seed)
        states = torch.from_numpy(state).to(device, dtype)[None, None]
        velocity = session.window.velocity(states, self._guidance, self.options.predicted_video)
        return denoise_block(
            watched(velocity, stages, superseded),
            video,
            actions,
            self._video_schedule,
            self._action_schedule,
            self._step_cache,
            prefix=prefix,
        )
