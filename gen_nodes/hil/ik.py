"""Differential inverse kinematics of one tip position, for placing objects and for the expert.

Damped least squares (Nakamura and Hanafusa 1986) weighted by the distance to joint limits (Chan and
Dubey 1995),
with a pull to the ready pose in the null space.
"""

from __future__ import annotations

import numpy as np

from gen_nodes.robot import RobotSpec

DAMPING = 0.02  # [m] singular values well above it are followed exactly
LIMIT_MARGIN = 0.05  # [rad] the last bit of travel is not used
LIMIT_ZONE = 0.35  # [rad] from here on a joint that nears its limit is slowed
READY_PULL = 0.6  # [1/s]
SPEED_SHARE = 0.8  # of the joints' velocity limits


class TipSolver:
    """Joint velocities that move one tip of a robot. Not thread-safe: one per thread."""

    def __init__(self, spec: RobotSpec) -> None:
        self._kinematics = spec.kinematics()
        self._tips = spec.tips
        self._ready = np.asarray(spec.ready, float)
        travel = np.where(np.isfinite(spec.upper - spec.lower), spec.upper - spec.lower, np.inf)
        margin = np.minimum(LIMIT_MARGIN, 0.1 * travel)
        self.lower, self.upper = spec.lower + margin, spec.upper - margin
        self.speed = SPEED_SHARE * np.asarray(spec.velocity, float)
        movable = np.array([joint.role in ('arm', 'torso') for joint in spec.joints])
        self.chains = tuple(movable & self._moves(tip) for tip in self._tips)
        self._chain_indices = tuple(np.flatnonzero(chain) for chain in self.chains)
        # a slow joint (a lift, a waist) takes a small share: the others need not wait for it
        self._shares = tuple(self.speed[k] / self.speed[k].max() for k in self._chain_indices)

    def _moves(self, tip: str) -> np.ndarray:
        """Which joints move `tip` at all, (N,) bool."""
        jacobian = self._kinematics.jacobian(tip, self._ready)
        return np.abs(jacobian).max(axis=0) > 1e-9

    def tips(self, q_N: np.ndarray) -> np.ndarray:
        """Tip positions (T, 3) in the base frame."""
        return self._kinematics.tips(q_N)

    def look(self, q_N: np.ndarray, tip: int) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) of one tip and its Jacobian (3, N) in the base frame."""
        jacobian = self._kinematics.jacobian(self._tips[tip], q_N)[:3]
        return self._kinematics.frame(self._tips[tip], q_N)[:3, 3], jacobian

    def solve(
        self, q_N: np.ndarray, tip: int, jacobian_3xN: np.ndarray, velocity_3: np.ndarray
    ) -> np.ndarray:
        """Joint velocities (N,) that move the tip by `velocity_3` [m/s]; joints of other arms
        rest.
        """
        chain = self._chain_indices[tip]
        jacobian = jacobian_3xN[:, chain]
        pull = READY_PULL * (self._ready - q_N)[chain]
        result = _solve(jacobian, velocity_3, pull, self._shares[tip])
        mobility = self._ease(q_N, chain, result)
        if mobility.min() < 1.0:
            result = _solve(jacobian, velocity_3, pull, self._shares[tip] * mobility)
        result *= min(1.0, float(np.min(self.speed[chain] / np.maximum(np.abs(result), 1e-9))))
        full = np.zeros(len(q_N))
        full[chain] = result
        return full

    def step(self, q_N: np.ndarray, velocity_N: np.ndarray, dt_s: float) -> np.ndarray:
        """`q_N` after `dt_s`, inside the limits (joints that start outside are not pulled in at
        once).
        """
        low, high = np.minimum(self.lower, q_N), np.maximum(self.upper, q_N)
        return np.clip(q_N + velocity_N * dt_s, low, high)

    def reach(
        self,
        q_N: np.ndarray,
        tip: int,
        target_3: np.ndarray,
        *,
        speed: float = 0.5,
        seconds: float = 2.0,
    ) -> tuple[np.ndarray, float]:
        """Go straight to `target_3`: joint positions where it ends and the distance left [m]."""
        dt_s = 0.05
        for _ in range(round(seconds / dt_s)):
            place, jacobian = self.look(q_N, tip)
            gap = target_3 - place
            distance = float(np.linalg.norm(gap))
            if distance < 2e-3:
                break
            velocity = gap * min(10.0, speed / distance)
            q_N = self.step(q_N, self.solve(q_N, tip, jacobian, velocity), dt_s)
        return q_N, float(np.linalg.norm(target_3 - self.tips(q_N)[tip]))

    def _ease(self, q_N: np.ndarray, chain: np.ndarray, towards: np.ndarray) -> np.ndarray:
        """Mobility of each joint: 1 free, falling to 0 at the limit that it moves towards."""
        room = np.where(towards > 0, self.upper[chain] - q_N[chain], q_N[chain] - self.lower[chain])
        return np.clip(room / LIMIT_ZONE, 1e-4, 1.0)


def _solve(
    jacobian_3xK: np.ndarray, velocity_3: np.ndarray, pull_K: np.ndarray, mobility_K: np.ndarray
) -> np.ndarray:
    weighted = jacobian_3xK * mobility_K
    inner = weighted @ jacobian_3xK.T + DAMPING**2 * np.eye(3)
    task = velocity_3 - jacobian_3xK @ (mobility_K * pull_K)
    return mobility_K * pull_K + weighted.T @ np.linalg.solve(inner, task)
