"""An episode that runs live: judged as it goes, kept as one row of the report. No ROS, no clock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gen_nodes.hil.tasks import TASKS, ReachJudge, TrackJudge, Truth
from gen_nodes.hil.world import WorldConfig
from gen_nodes.types import NS

TRACE_PERIOD_NS = NS // 25
EVALUATION_SEED = (
    1_000_000  # seeds of evaluation episodes begin here, those of demonstrations stay below
)
REFERENCES = ('expert', 'hold', 'blind')
ACTORS = ('policy', *REFERENCES)


@dataclass(frozen=True)
class Scene:
    """What the emulator says that an episode is about."""

    instruction: str
    task: str
    target: str
    seed: int
    time_limit_s: float


@dataclass(frozen=True)
class EpisodeRow:
    """One episode of the report. error_m: as the judge defines it, None where there is none."""

    id: str
    seed: int
    instruction: str
    success: bool
    error_m: float | None
    seconds: float
    tip_m: tuple = ()  # (x, y, z) of the tip that is nearest to the target, 25 Hz
    target_m: tuple = ()  # (x, y, z), 25 Hz
    others_m: Mapping[str, tuple] = field(
        default_factory=dict
    )  # name -> (x, y, z) of the other balls at the end
    target: str = ''
    note: str = ''  # why it failed, where it was not the policy's doing


class EpisodeWatch:
    """Judges a running episode from the truth that the emulator publishes."""

    def __init__(self, id: str, scene: Scene, world: WorldConfig, start_ns: int) -> None:
        self.id, self.scene, self.start_ns = id, scene, start_ns
        config = getattr(world.tasks, scene.task)
        self.judge = (ReachJudge if scene.task == TASKS[0] else TrackJudge)(config, start_ns)
        self.newest_ns = start_ns
        self.truth: Truth | None = None
        self._trace: list[tuple[tuple, tuple]] = []
        self._trace_ns = start_ns

    def update(self, truth: Truth) -> None:
        """Look at one instant; those before the start do not count."""
        if (
            truth.stamp_ns < self.start_ns
            or self.judge.done
            or self.scene.target not in truth.objects
        ):
            return
        self.truth, self.newest_ns = truth, truth.stamp_ns
        self.judge.update(truth, truth.stamp_ns)
        if truth.stamp_ns >= self._trace_ns:
            self._trace_ns = max(self._trace_ns + TRACE_PERIOD_NS, truth.stamp_ns)
            target = truth.objects[truth.target]
            nearest = truth.tips_Tx3[np.linalg.norm(truth.tips_Tx3 - target, axis=1).argmin()]
            self._trace.append((place(nearest), place(target)))

    @property
    def done(self) -> bool:
        """Whether the verdict stands."""
        return self.judge.done

    @property
    def distance_m(self) -> float:
        """Of the nearest tip from the target now; NaN before anything was seen."""
        return self.truth.error_m if self.truth else float('nan')

    def row(self, note: str = '') -> EpisodeRow:
        """The episode as it stands; with a note it has failed."""
        truth = self.truth
        others = (
            {name: place(at) for name, at in truth.objects.items() if name != truth.target}
            if truth
            else {}
        )
        return EpisodeRow(
            self.id,
            self.scene.seed,
            self.scene.instruction,
            self.judge.success and self.judge.done and not note,
            finite(self.judge.error_m),
            round((self.newest_ns - self.start_ns) / NS, 3),
            tuple(tip for tip, _ in self._trace),
            tuple(target for _, target in self._trace),
            others,
            self.scene.target,
            note,
        )


def place(xyz: np.ndarray) -> tuple[float, float, float]:
    """A point [m] to a tenth of a millimetre."""
    x, y, z = (round(float(value), 4) for value in xyz)
    return x, y, z


def finite(value: float) -> float | None:
    """The number, None where it is not finite (JSON has no infinity)."""
    return round(float(value), 5) if math.isfinite(value) else None


def without_trace(row: EpisodeRow) -> EpisodeRow:
    """The row without its trajectories."""
    return replace(row, tip_m=(), target_m=(), others_m={})
