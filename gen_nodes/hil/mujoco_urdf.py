"""Any maker's URDF as MuJoCo must be given it: links kept, looks kept, meshes left out.

Without its own <mujoco> element a URDF loses in MuJoCo every link that is fixed to another (tips
and frames of sensors are such links) and every <visual>, and a mesh whose file is not here is an
error.
"""

from __future__ import annotations

from xml.etree import ElementTree

COMPILER = {'fusestatic': 'false', 'discardvisual': 'false', 'strippath': 'false'}


def mujoco_urdf(xml: str) -> str:
    """The URDF text for MuJoCo; options of the URDF's own <mujoco> element win."""
    root = ElementTree.fromstring(xml)
    for link in root.findall('link'):
        for shape in [*link.findall('visual'), *link.findall('collision')]:
            if shape.find('geometry/mesh') is not None:
                link.remove(shape)
    extension = root.find('mujoco')
    if extension is None:
        extension = ElementTree.Element('mujoco')
        root.insert(0, extension)
    compiler = extension.find('compiler')
    if compiler is None:
        compiler = ElementTree.SubElement(extension, 'compiler')
    compiler.attrib = {**COMPILER, **compiler.attrib}
    return ElementTree.tostring(root, encoding='unicode')
