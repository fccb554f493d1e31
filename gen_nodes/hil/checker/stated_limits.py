"""A robot's limits as its URDF and its YAML state them, read for the checker alone.

Deliberately a second reading: it shares nothing with the code that reads limits for the controller,
so that a mistake there does not hide itself here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import yaml

from gen_nodes.types import Frozen

RULE = ('vmax', 'off', 'k', 'q_up', 'q_lo')


@dataclass(frozen=True)
class StatedLimits(Frozen):
    """Limits of N joints in the YAML's order, (N,) each [rad or m, s]; infinite where there is no
    end of travel.

    rules: (5, N) vmax, off, k, q_up, q_lo of <position_velocity>, NaN for joints without.
    """

    names: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    rules: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """Middle of travel, (N,); 0 where there are no ends."""
        lower, upper = (np.where(np.isfinite(x), x, 0.0) for x in (self.lower, self.upper))
        return 0.5 * (lower + upper)

    @property
    def half(self) -> np.ndarray:
        """Half of travel, (N,)."""
        return 0.5 * (self.upper - self.lower)

    def speeds(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Greatest speed downwards and upwards, not negative, at positions (..., N)."""
        vmax, off, k, q_up, q_lo = self.rules
        with np.errstate(invalid='ignore'):  # joints without a rule are NaN here
            up = np.sqrt(np.maximum(k * (q_up - q), 0.0)) - off
            down = np.sqrt(np.maximum(k * (q_lo + q), 0.0)) - off
            most = np.fmin(self.velocity, vmax)
        return tuple(np.fmin(most, np.maximum(x, 0.0)) for x in (down, up))


def stated_limits(urdf_xml: str, robot_yaml: Path) -> StatedLimits:
    """The limits in force: the URDF's, tightened by the YAML's `safety`."""
    config = yaml.safe_load(robot_yaml.read_text())
    safety, names = config.get('safety', {}), tuple(config['joints'])
    roles = {name: role for role, members in config.get('roles', {}).items() for name in members}
    elements = {e.get('name'): e for e in ElementTree.fromstring(urdf_xml).findall('joint')}
    ends = np.array([_ends(elements[name], safety) for name in names])
    caps = [
        [_least(elements[name], key, safety, roles.get(name, 'arm')) for name in names]
        for key in ('velocity', 'acceleration', 'jerk')
    ]
    rules = np.array([_rule(elements[name]) for name in names]).T
    return StatedLimits(names, ends[:, 0], ends[:, 1], *np.array(caps), rules)


def _ends(joint: ElementTree.Element, safety: Mapping) -> tuple[float, float]:
    chosen = safety.get('position', {}).get(joint.get('name'))
    if joint.get('type') == 'continuous':
        stated = -math.inf, math.inf
    else:
        limit = joint.find('limit')
        stated = float(limit.get('lower')), float(limit.get('upper'))
    if chosen is None:
        return stated
    return max(stated[0], chosen[0]), min(stated[1], chosen[1])


def _least(joint: ElementTree.Element, key: str, safety: Mapping, role: str) -> float:
    """The URDF's limit or the operator's, whichever is less."""
    stated = joint.find('limit').get(key)
    chosen = safety.get(key)
    if isinstance(chosen, Mapping):
        chosen = chosen.get(joint.get('name'), chosen.get(role))
    given = [float(value) for value in (stated, chosen) if value is not None]
    return min(given)


def _rule(joint: ElementTree.Element) -> list[float]:
    rule = joint.find('position_velocity')
    return [math.nan] * len(RULE) if rule is None else [float(rule.get(key)) for key in RULE]
