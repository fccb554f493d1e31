"""What rosbag2 writes about a bag: QoS profiles and metadata.yaml, version 9 (ROS 2 Jazzy)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gen_nodes.errors import ConfigError

VERSION = 9
FOREVER = {'sec': 9223372036, 'nsec': 854775807}
RELIABILITY = ('reliable', 'best_effort')
DURABILITY = ('volatile', 'transient_local')


@dataclass(frozen=True)
class TopicQos:
    """Quality of service that a publisher offered, as far as it matters for playing a bag."""

    reliability: str = 'reliable'
    durability: str = 'volatile'
    depth: int = 10

    def __post_init__(self) -> None:
        if self.reliability not in RELIABILITY or self.durability not in DURABILITY:
            raise ConfigError(
                f'QoS {self.reliability}, {self.durability}: valid are '
                f'{", ".join(RELIABILITY)} and {", ".join(DURABILITY)}'
            )


@dataclass(frozen=True)
class TopicInfo:
    """A topic of a bag. `definition`: ros2msg text; `type_hash`: RIHS01."""

    name: str
    type: str
    qos: tuple[TopicQos, ...]
    definition: str
    type_hash: str
    count: int = 0


def qos_maps(profiles: Sequence[TopicQos]) -> list[dict[str, Any]]:
    """Profiles as metadata version 9 spells them."""
    return [
        {
            'history': 'keep_last',
            'depth': p.depth,
            'reliability': p.reliability,
            'durability': p.durability,
            'deadline': dict(FOREVER),
            'lifespan': dict(FOREVER),
            'liveliness': 'automatic',
            'liveliness_lease_duration': dict(FOREVER),
            'avoid_ros_namespace_conventions': False,
        }
        for p in profiles
    ]


def qos_yaml(profiles: Sequence[TopicQos]) -> str:
    """Value of the channel metadata 'offered_qos_profiles'."""
    return plain_yaml(qos_maps(profiles))


def bag_information(
    file_name: str,
    topics: Sequence[TopicInfo],
    start_ns: int,
    end_ns: int,
    custom: Mapping[str, str],
) -> dict[str, Any]:
    """Contents of metadata.yaml below its only key, for a bag of one MCAP file."""
    span = {
        'starting_time': {'nanoseconds_since_epoch': start_ns},
        'duration': {'nanoseconds': end_ns - start_ns},
    }
    count = sum(topic.count for topic in topics)
    return {
        'version': VERSION,
        'storage_identifier': 'mcap',
        **span,
        'message_count': count,
        'topics_with_message_count': [
            {
                'topic_metadata': {
                    'name': t.name,
                    'type': t.type,
                    'serialization_format': 'cdr',
                    'offered_qos_profiles': qos_maps(t.qos),
                    'type_description_hash': t.type_hash,
                },
                'message_count': t.count,
            }
            for t in topics
        ],
        'compression_format': '',
        'compression_mode': '',
        'relative_file_paths': [file_name],
        'files': [{'path': file_name, **span, 'message_count': count}],
        'custom_data': dict(custom),
        'ros_distro': 'jazzy',
    }


def metadata_yaml(information: Mapping[str, Any]) -> str:
    """Text of metadata.yaml."""
    return plain_yaml({'rosbag2_bagfile_information': dict(information)})


class PlainDumper(yaml.SafeDumper):
    """Writes repeated values out instead of pointing at them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def plain_yaml(value: Any) -> str:
    """YAML text without anchors, keys in the order given."""
    return yaml.dump(value, Dumper=PlainDumper, sort_keys=False)
