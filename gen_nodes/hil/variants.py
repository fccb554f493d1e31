"""Descriptions that are nearly a robot's: its URDF and YAML with one thing changed, in a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from gen_nodes.robot import RobotSpec

AWAY = 0.3  # of the way to travel's farther end: so far off the ready pose the new limits begin
FORCE_N, TORQUE_NM = 150.0, 30.0


def renamed(spec: RobotSpec, folder: Path) -> Path:
    """Its first joint has another name. Returns the YAML's path; so do the others."""
    name = re.compile(rf'\b{re.escape(spec.joint_names[0])}\b')
    other = f'{spec.joint_names[0]}_other'
    text = name.sub(other, spec.source.read_text())
    return _write(spec, folder, yaml.safe_load(text), name.sub(other, spec.urdf_xml))


def moved_limits(spec: RobotSpec, folder: Path) -> Path:
    """Its first joint may only be where it is not in the ready pose."""
    name, ready = spec.joint_names[0], float(spec.ready[0])
    lower, upper = float(spec.lower[0]), float(spec.upper[0])
    if upper - ready > ready - lower:
        lower = ready + AWAY * (upper - ready)
    else:
        upper = ready - AWAY * (ready - lower)
    config = yaml.safe_load(spec.source.read_text())
    config['ready'][name] = (lower + upper) / 2
    root = ElementTree.fromstring(spec.urdf_xml)
    limit = root.find(f"joint[@name='{name}']/limit")
    limit.set('lower', repr(lower))
    limit.set('upper', repr(upper))
    return _write(spec, folder, config, ElementTree.tostring(root, encoding='unicode'))


def with_wrench_limit(spec: RobotSpec, folder: Path) -> Path:
    """It has a limit on the wrench of its first force-torque sensor."""
    stream = next(name for name, stream in spec.streams.items() if stream.type == 'wrench')
    config = yaml.safe_load(spec.source.read_text())
    config['safety']['wrench'] = {'stream': stream, 'force': FORCE_N, 'torque': TORQUE_NM}
    return _write(spec, folder, config, spec.urdf_xml)


def _write(spec: RobotSpec, folder: Path, config: dict[str, Any], urdf_xml: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{spec.name}.urdf').write_text(urdf_xml)
    path = folder / f'{spec.name}.yaml'
    path.write_text(yaml.safe_dump({**config, 'urdf': f'{spec.name}.urdf'}, sort_keys=False))
    return path
