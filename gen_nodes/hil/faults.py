"""Faults on request: what a sensor does when it breaks."""

from __future__ import annotations

import dataclasses

import numpy as np

from gen_nodes.errors import ConfigError, unknown_name
from gen_nodes.robot import RobotSpec
from gen_nodes.types import CameraSample, JointSample, Sample

KINDS = {
    'black': ('camera',),
    'frozen': ('camera',),
    'nan': ('joint_states',),
    'silent': ('camera', 'joint_states', 'wrench', 'tactile'),
}
NONE = 'none'


class Fault:
    """One broken stream, or none."""

    def __init__(self, text: str, spec: RobotSpec) -> None:
        """`text`: 'none' or 'KIND STREAM', such as 'black front'. Raises ConfigError."""
        self.text = text
        self._stream = self._kind = ''
        self._still: CameraSample | None = None
        if text == NONE:
            return
        kind, _, stream = text.partition(' ')
        if kind not in KINDS:
            raise unknown_name('fault', kind, [NONE, *KINDS])
        if stream not in spec.streams:
            raise unknown_name('stream', stream, spec.streams)
        if spec.streams[stream].type not in KINDS[kind]:
            raise ConfigError(
                f"fault '{kind}' is for streams of type {' or '.join(KINDS[kind])}; "
                f"'{stream}' is a {spec.streams[stream].type}"
            )
        self._kind, self._stream = kind, stream

    def apply(self, sample: Sample) -> Sample | None:
        """The sample as the broken sensor gives it, None where it gives nothing."""
        if sample.stream != self._stream:
            return sample
        if self._kind == 'silent':
            return None
        if isinstance(sample, JointSample):
            return dataclasses.replace(sample, position=np.full_like(sample.position, np.nan))
        assert isinstance(sample, CameraSample)
        if self._kind == 'black':
            return dataclasses.replace(sample, rgb_HxWx3=np.zeros_like(sample.rgb_HxWx3))
        self._still = self._still or sample
        return dataclasses.replace(
            sample, rgb_HxWx3=self._still.rgb_HxWx3, depth_mm_HxW=self._still.depth_mm_HxW
        )
