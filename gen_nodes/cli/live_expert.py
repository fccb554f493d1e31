"""The privileged expert in the policy's place, live: hears the truth, publishes action chunks."""

from __future__ import annotations

from typing import Any

import numpy as np

from gen_nodes.cli.hearing import Hearing
from gen_nodes.hil.experts import Expert
from gen_nodes.policy.curves import curve_position, curve_rate
from gen_nodes.robot import RobotSpec
from gen_nodes.ros import convert
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.operator import Operator
from gen_nodes.ros.qos import reliable
from gen_nodes.types import ActionChunk, JointSample

PERIOD_S = 0.04


class LiveExpert:
    """Decides 25 times a second while an episode runs."""

    def __init__(
        self, operator: Operator, hearing: Hearing, spec: RobotSpec, reaction_s: float = 0.1
    ) -> None:
        self._operator, self._hearing, self._spec, self._reaction_s = (
            operator,
            hearing,
            spec,
            reaction_s,
        )
        self._make, self._expert = RclpyMessages(), None
        self._chunks: Any = operator.node.create_publisher(
            message_class('gen_stack/msg/ActionChunk'), 'action_chunk', reliable(2)
        )
        operator.node.create_timer(PERIOD_S, self._decide)

    def begin(self) -> None:
        """An episode begins."""
        self._expert, self._plan, self._seen_ns = Expert(self._spec, self._reaction_s), None, 0

    def end(self) -> None:
        """Decide nothing more."""
        self._expert = None

    def _decide(self) -> None:
        truth = self._hearing.truth
        if self._expert is None or truth is None or truth.target not in truth.objects:
            return
        if truth.stamp_ns > self._seen_ns:
            self._seen_ns = truth.stamp_ns
            self._expert.observe(truth)
        now_ns = self._operator.now_ns()
        start = self._from(now_ns)
        if start is None:
            return
        self._plan: ActionChunk | None = self._expert.act(now_ns, *start)
        self._chunks.publish(
            convert.action_chunk_message(self._make, self._plan, self._spec.base_frame)
        )

    def _from(self, now_ns: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Where the next plan starts: on the previous one, or where the robot stands."""
        if self._plan is not None:
            return curve_position(self._plan, now_ns), curve_rate(self._plan, now_ns)
        observation = self._hearing.newest_observation
        measured = (
            [s for s in observation.samples if isinstance(s, JointSample)] if observation else []
        )
        if not measured:
            return None
        order = [measured[-1].names.index(name) for name in self._spec.joint_names]
        return measured[-1].position[order], np.zeros(self._spec.n)
