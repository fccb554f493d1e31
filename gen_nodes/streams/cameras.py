"""Cameras: colour, depth, intrinsics and pose of one capture become one sample at policy
resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gen_nodes.streams.images import (
    ColourSample,
    DepthSample,
    IntrinsicsSample,
    PoseSample,
    resize_colour,
    resize_depth,
    scale_intrinsics,
)
from gen_nodes.streams.lane import LATE_NS, Lane
from gen_nodes.streams.pose import canonical
from gen_nodes.types import NS, CameraSample, Sample

BLACK_LEVEL = 4.0  # mean of 0..255 below which a colour image is black
FROZEN_NS = NS // 2  # a live sensor's noise never repeats a whole image for this long
PAIR_TIMEOUT_NS = NS // 10  # waiting longer for the rest of a capture makes it useless
POSE_SLACK_NS = 5_000_000  # a pose stamped this little after the image still belongs to it
PIECES = 64

PoseAt = Callable[
    [int, bool], 'np.ndarray | None'
]  # (capture_ns, final) -> base_from_camera or None


class CameraLane(Lane):
    """One camera. `pose_at` gives the pose of cameras that no topic tells (mount and
    kinematics).
    """

    def __init__(
        self,
        stream: str,
        rate_hz: float,
        policy_rate_hz: float,
        timeout_s: float,
        size: tuple[int, int],
        has_depth: bool,
        pose_at: PoseAt | None,
    ) -> None:
        super().__init__(stream, rate_hz, policy_rate_hz, timeout_s)
        self.size, self.has_depth, self.pose_at = size, has_depth, pose_at
        self.tolerance_ns = round(0.25 * NS / rate_hz)
        self.forget_pieces()

    def forget_pieces(self) -> None:
        """Forget half-assembled captures and what is known of the camera."""
        self.colours: list[ColourSample] = []
        self.depths: list[DepthSample] = []
        self.poses: list[PoseSample] = []
        self.intrinsics: IntrinsicsSample | None = None
        self.still: np.ndarray | None = None
        self.still_ns = 0

    def forget_order(self) -> None:
        count = len(self.colours) + len(self.depths)
        super().forget_order()
        if count:
            self.drop('clock set back', count)
        intrinsics, poses = self.intrinsics, self.poses
        self.forget_pieces()
        # Both may have been said once and for all; an old pose holds for whatever comes next.
        self.intrinsics = intrinsics
        self.poses = [replace(pose, capture_ns=0) for pose in poses[-1:]]

    def offer(self, sample: Sample) -> str | None:
        """Take a piece of a capture, or a whole one at any resolution, or say why not."""
        if isinstance(sample, CameraSample):
            return self.offer_whole(sample)
        self.received += 1
        if isinstance(sample, ColourSample):
            return self.offer_colour(sample)
        if isinstance(sample, DepthSample):
            return self.offer_depth(sample)
        if isinstance(sample, IntrinsicsSample):
            return self.offer_intrinsics(sample)
        assert isinstance(sample, PoseSample), type(sample)
        self.add_pose(sample)
        self.used += 1
        return None

    def offer_whole(self, s: CameraSample) -> str | None:
        """A capture in one piece, counted as the messages a driver would send. Its pose counts
        only where a topic would tell it."""
        height, width = s.rgb_HxWx3.shape[:2]
        self.intrinsics = IntrinsicsSample(
            s.stream, s.capture_ns, s.arrival_ns, width, height, s.k_3x3
        )
        if self.pose_at is None:
            self.add_pose(PoseSample(s.stream, s.capture_ns, s.arrival_ns, s.base_from_camera_4x4))
        if self.has_depth and s.depth_mm_HxW is not None:
            self.received += 1
            self.offer_depth(DepthSample(s.stream, s.capture_ns, s.arrival_ns, s.depth_mm_HxW))
        self.received += 1
        return self.offer_colour(
            ColourSample(s.stream, s.capture_ns, s.arrival_ns, s.frame, s.rgb_HxWx3)
        )

    def offer_colour(self, sample: ColourSample) -> str | None:
        """Check and queue a colour image."""
        small = resize_colour(sample.rgb_HxWx3, *self.size)
        reason = self.stamp_fault(sample.capture_ns, sample.arrival_ns) or self.picture_fault(
            small, sample.capture_ns
        )
        if reason:
            return self.drop(reason)
        self.colours.append(
            ColourSample(sample.stream, sample.capture_ns, sample.arrival_ns, sample.frame, small)
        )
        return None

    def add_pose(self, sample: PoseSample) -> None:
        """Remember a pose."""
        self.poses = sorted((*self.poses, sample), key=lambda p: p.capture_ns)[-PIECES:]

    def picture_fault(self, picture: np.ndarray, capture_ns: int) -> str | None:
        """'black', 'frozen' or None."""
        if float(picture.mean()) < BLACK_LEVEL:
            return 'black'
        if self.still is None or not np.array_equal(picture, self.still):
            self.still, self.still_ns = picture, capture_ns
            return None
        return 'frozen' if capture_ns - self.still_ns > FROZEN_NS else None

    def offer_depth(self, sample: DepthSample) -> str | None:
        """Queue a depth image."""
        if not self.has_depth:
            return self.drop('no use')
        if sample.capture_ns < sample.arrival_ns - LATE_NS:
            return self.drop('late')
        if self.depths and sample.capture_ns <= self.depths[-1].capture_ns:
            return self.drop(
                'repeated' if sample.capture_ns == self.depths[-1].capture_ns else 'backwards'
            )
        depth = resize_depth(sample.depth_mm_HxW, *self.size)
        self.depths.append(DepthSample(sample.stream, sample.capture_ns, sample.arrival_ns, depth))
        return None

    def offer_intrinsics(self, sample: IntrinsicsSample) -> str | None:
        """Take over intrinsics; an uncalibrated driver publishes zeros."""
        usable = (
            np.isfinite(sample.k_3x3).all() and sample.k_3x3[0, 0] > 0 and sample.k_3x3[1, 1] > 0
        )
        if not usable or sample.width <= 0 or sample.height <= 0:
            return self.drop('malformed')
        self.intrinsics = sample
        self.used += 1
        return None

    def assemble(self, now_ns: int) -> None:
        """Turn captures that are complete into pending samples, in order; give up those that
        waited too long.
        """
        while self.colours:
            colour = self.colours[0]
            final = now_ns - colour.arrival_ns > PAIR_TIMEOUT_NS
            depth, missing = self.partner(colour.capture_ns, final)
            pose = None if missing else self.pose(colour.capture_ns, final)
            missing = missing or ('no intrinsics' if self.intrinsics is None else '')
            missing = missing or (
                '' if pose is not None else 'no pose' if self.pose_at is None else 'no joint state'
            )
            if missing and not final:
                break
            self.colours.pop(0)
            if missing:
                self.drop(missing)
            else:
                self.finish(colour, depth, pose)
        self.drop_lone_depths(now_ns)

    def partner(self, capture_ns: int, final: bool) -> tuple[DepthSample | None, str]:
        """Depth image of a capture, or what is missing. Waits until a nearer one cannot come any
        more.
        """
        if not self.has_depth:
            return None, ''
        known = bool(self.depths) and self.depths[-1].capture_ns >= capture_ns
        if not (known or final):
            return None, 'no depth'
        nearest = min(self.depths, key=lambda d: abs(d.capture_ns - capture_ns), default=None)
        if nearest is None or abs(nearest.capture_ns - capture_ns) > self.tolerance_ns:
            return None, 'no depth'
        return nearest, ''

    def pose(self, capture_ns: int, final: bool) -> np.ndarray | None:
        """Pose of the optical frame at a capture: from the topic, or from mount and kinematics."""
        if self.pose_at is not None:
            return self.pose_at(capture_ns, final)
        before = [p for p in self.poses if p.capture_ns <= capture_ns + POSE_SLACK_NS]
        return before[-1].base_from_camera_4x4 if before else None

    def finish(self, colour: ColourSample, depth: DepthSample | None, pose: np.ndarray) -> None:
        """Queue a complete capture."""
        info = self.intrinsics
        assert info is not None
        if depth is not None:
            older = sum(d.capture_ns < depth.capture_ns for d in self.depths)
            self.dropped.update({'unpaired': older} if older else {})
            del self.depths[: older + 1]
        k = scale_intrinsics(info.k_3x3, (info.width, info.height), self.size)
        self.accept(
            CameraSample(
                self.stream,
                colour.capture_ns,
                colour.arrival_ns,
                colour.frame,
                colour.rgb_HxWx3,
                depth.depth_mm_HxW if depth else None,
                k,
                canonical(pose),
            )
        )

    def messages(self, sample: Sample) -> int:
        assert isinstance(sample, CameraSample)
        return 1 if sample.depth_mm_HxW is None else 2

    def drop_lone_depths(self, now_ns: int) -> None:
        """Depth images whose colour never came."""
        while self.depths and now_ns - self.depths[0].arrival_ns > 2 * PAIR_TIMEOUT_NS:
            self.depths.pop(0)
            self.drop('unpaired')

    def take(self, now_ns: int) -> list[Sample]:
        self.assemble(now_ns)
        return super().take(now_ns)
