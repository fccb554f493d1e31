"""Which pairs of collision shapes are watched, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gen_nodes.embodiment.collision_shapes import OUTSIDE, Shapes
from gen_nodes.errors import RobotError
from gen_nodes.safety import SLOW_M

if TYPE_CHECKING:
    from gen_nodes.robot import RobotSpec

SAMPLES, SEED = 128, 0
TOUCHING = 2  # margins: links that are never further apart than that touch by construction
LOOKS, FREEDOMS = 200, 4  # spent on proving that two shapes never meet, and joints between them
NARROWEST = 0.2  # of the slow zone is left to a pair that is mostly near

LinkPairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Watched:
    """The pairs of shapes to keep apart. slow (P,): distance [m] below which each slows the robot:
    the robot's own, but not more than half of the way from the margin up to the distance at the
    ready pose and to the median over all poses.
    """

    pairs: np.ndarray  # (P, 2) of shapes
    motion: np.ndarray  # (P, N) as Shapes.motion
    slow: np.ndarray
    names: tuple[str, ...]
    margin: float


@dataclass(frozen=True)
class Explained:
    """Pairs of links (or of a link and 'fence NAME') by what becomes of their shapes; two links of
    several shapes can stand in two lists.

    watched: kept apart. touching: within the margin at the ready pose and never further than twice
    the margin, so by construction. ignored: as the robot YAML says. gripping: moved against each
    other by grippers only, which are there to close. apart: within the margin in no configuration.
    Links on one rigid body, or on two that one joint joins, stand in none.
    """

    watched: LinkPairs
    touching: LinkPairs
    ignored: LinkPairs
    gripping: LinkPairs
    apart: LinkPairs


def explained(spec: RobotSpec) -> Explained:
    """Every pair of links of a robot by what becomes of it; raises RobotError as `choose` does."""
    return choose(Shapes(spec), spec)[1]


def choose(shapes: Shapes, spec: RobotSpec) -> tuple[Watched, Explained]:
    """The pairs of shapes to watch, and what becomes of all pairs of links.

    Raises RobotError where two links are within the margin at the ready pose but not always.
    """
    margin, slow = zone(spec)
    pairs, left_out = _candidates(shapes, spec)
    fence = shapes.is_fence[pairs[:, 1]]
    motion = shapes.motion(pairs)
    shapes.watch(pairs)
    distances = _sampled(shapes, spec)
    near = distances < margin
    touching = near[0] & (distances < TOUCHING * margin).all(axis=0) & ~fence
    _check_ready(shapes, pairs, np.where(touching | fence, np.inf, distances[0]), margin)
    apart = ~near.any(axis=0)
    rows = np.flatnonzero(apart)
    apart[rows] = [_never_within(margin, shapes, spec, row, motion[row]) for row in rows]
    watched = ~touching & ~apart
    usual = np.minimum(distances[0], np.median(distances, axis=0))
    half_way = margin + 0.5 * (usual - margin)
    slow_P = np.clip(half_way, margin + NARROWEST * (slow - margin), slow)
    left_out |= {'watched': pairs[watched], 'touching': pairs[touching], 'apart': pairs[apart]}
    links = {key: _links(shapes, found) for key, found in left_out.items()}
    names = tuple(f'{shapes.links[a]} and {shapes.links[b]}' for a, b in pairs[watched])
    kept = Watched(pairs[watched], motion[watched], slow_P[watched], names, margin)
    return kept, Explained(**links)


def zone(spec: RobotSpec) -> tuple[float, float]:
    """Margin and beginning of the slow zone [m]; fences have them too, without a margin where
    self-collision is off.
    """
    if spec.self_collision is None:
        return 0.0, SLOW_M
    return spec.self_collision.margin, spec.self_collision.slow


def _candidates(shapes: Shapes, spec: RobotSpec) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pairs that commanded joints move against each other and that may not touch, and those left
    out by the robot YAML or because grippers close.
    """
    a, b = np.triu_indices(shapes.n, 1)
    body, above, fence = shapes.body, shapes.above, shapes.is_fence
    jointed = (body[a] == body[b]) | (above[a] == body[b]) | (above[b] == body[a])
    moving = np.where(fence[b], body[a] > 0, ~jointed) & ~fence[a]
    moving &= fence[b] | (spec.self_collision is not None)
    pairs = np.stack([a, b], axis=1)[moving]
    fence = fence[pairs[:, 1]]
    apart = np.zeros(len(pairs), bool)
    apart[fence] = ~shapes.meets(pairs[fence], zone(spec)[0])
    grippers = np.array([joint.role == 'gripper' for joint in spec.joints])
    gripping = ~fence & ~shapes.moved(pairs)[:, ~grippers].any(axis=1)
    rules = {frozenset(x) for x in spec.self_collision.ignore} if spec.self_collision else set()
    links = [frozenset((shapes.links[i], shapes.links[j])) for i, j in pairs]
    ignored = np.array([pair in rules for pair in links], bool) & ~gripping
    left_out = {'ignored': pairs[ignored], 'gripping': pairs[gripping]}
    return pairs[~(ignored | gripping | apart)], left_out


def _sampled(shapes: Shapes, spec: RobotSpec) -> np.ndarray:
    """Distances (1 + SAMPLES, P) at the ready pose and at random configurations."""
    random = np.random.default_rng(SEED)
    middle, half = _range(spec)
    rows, found = np.arange(len(shapes.pairs)), []
    for q in [spec.ready, *random.uniform(middle - half, middle + half, (SAMPLES, spec.n))]:
        shapes.place(q)
        found.append(shapes.distances(rows))
    return np.array(found)


def _range(spec: RobotSpec) -> tuple[np.ndarray, np.ndarray]:
    """Middle and half width (N,) of all positions that a robot may start in; one turn of a joint
    says all.
    """
    turning = np.array([joint.type != 'prismatic' for joint in spec.joints])
    bounded = np.isfinite(spec.lower) & np.isfinite(spec.upper)
    lower, upper = np.where(bounded, spec.lower, -np.pi), np.where(bounded, spec.upper, np.pi)
    half = 0.5 * (upper - lower) + OUTSIDE
    return 0.5 * (lower + upper), np.where(turning, np.minimum(half, np.pi), half)


def _never_within(
    margin: float, shapes: Shapes, spec: RobotSpec, row: int, motion_N: np.ndarray
) -> bool:
    """Whether a pair provably keeps its margin in every configuration: boxes of configurations are
    halved until the distance in the middle covers the whole box, or too many looks are spent.
    """
    middle, half = _range(spec)
    joints = np.flatnonzero(motion_N)
    rate, q, todo = motion_N[joints], spec.ready.copy(), [(middle[joints], half[joints])]
    if len(joints) > FREEDOMS:
        return False
    for _ in range(LOOKS):
        if not todo:
            break
        q[joints], wide = todo.pop()
        shapes.place(q)
        spare = shapes.distances(np.array([row]))[0] - margin
        if spare < 0:
            return False
        if spare < rate @ wide:
            todo += _halves(q[joints], wide, int(np.argmax(rate * wide)))
    return not todo


def _halves(
    middle: np.ndarray, half: np.ndarray, joint: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    step = np.zeros(len(half))
    step[joint] = 0.5 * half[joint]
    return [(middle - step, half - step), (middle + step, half - step)]


def _check_ready(shapes: Shapes, pairs: np.ndarray, ready_P: np.ndarray, margin: float) -> None:
    near = np.flatnonzero(ready_P < margin)
    if near.size:
        worst = near[np.argmin(ready_P[near])]
        first, second = (shapes.links[i] for i in pairs[worst])
        raise RobotError(
            f"links '{first}' and '{second}' are {ready_P[worst]:.4f} m apart at the ready pose, "
            f'nearer than the margin of {margin:g} m, but not in every pose: correct their '
            f'<collision> shapes or the ready pose, or add [{first}, {second}] to '
            f'safety.self_collision.ignore'
        )


def _links(shapes: Shapes, pairs: np.ndarray) -> LinkPairs:
    return tuple(dict.fromkeys((shapes.links[a], shapes.links[b]) for a, b in pairs))
