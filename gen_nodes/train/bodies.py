"""A robot's joints as the learner is shown them: computed as sequences are drawn, so that they may
differ from what was recorded.
"""

from __future__ import annotations

import numpy as np

from gen_nodes.robot import RobotSpec
from gen_nodes.streams.tokens import joint_arrays
from gen_nodes.train.config import Displaced

BLUR = {'revolute': 0.1, 'continuous': 0.1, 'prismatic': 0.01}  # [rad], [m]


class Bodies:
    """Joint tokens of one robot for any configuration."""

    def __init__(self, spec: RobotSpec) -> None:
        self.spec, self.kinematics = spec, spec.kinematics()
        self.chain = self.kinematics.descriptors(spec.ready).chain
        self.blur = np.array([BLUR[joint.type] for joint in spec.joints])

    def tokens(self, position: np.ndarray) -> dict[str, np.ndarray]:
        """features (..., N, J), tip and part (..., N, 3), float32, of positions (..., N)."""
        rows = position.reshape(-1, self.spec.n)
        d = self.kinematics.batch_descriptors(rows)
        arrays = joint_arrays(rows, self.spec.lower, self.spec.upper, d)
        return {k: x.reshape(*position.shape, -1) for k, x in arrays._asdict().items()}

    def blurred(self, rng: np.random.Generator, position: np.ndarray) -> np.ndarray:
        """Measured positions (..., N) that no longer tell, against where the commands lead, how the
        arm moves: a learner would go on as it goes, instead of looking (see joint_arrays).
        """
        return position + self.blur * rng.standard_normal(position.shape)

    def displacement(
        self, rng: np.random.Generator, position: np.ndarray, tip: int, how: Displaced
    ) -> np.ndarray:
        """Offset (N,) that sets one tip of an arm at `position` (N,) elsewhere, 0 for other
        arms.
        """
        d = self.kinematics.descriptors(position)
        acting = (d.chain == tip) & (d.lever != 0).any(-1)
        place = how.tip_m * rng.standard_normal(3)
        turns = how.joint_rad * self.blur / BLUR['revolute'] * rng.standard_normal(self.spec.n)
        given = rng.random() < how.share
        return given * np.where(acting, d.part @ place + turns, 0.0)
