"""Keeps demo, tests and benchmarks away from every robot: nothing they say leaves this machine, or
this run.

Three walls, each enough alone for an honest network: a ROS domain that no other isolated run on
this machine has, discovery restricted to localhost, and Fast DDS sockets bound to 127.0.0.1
(`isolated_dds.xml`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from gen_nodes.errors import ConfigError, RequirementError

DOMAINS = range(
    60, 100
)  # people use low ids, and ports above domain 101 are the kernel's to give away
PROFILE = Path(__file__).with_name('isolated_dds.xml')
WAYS_OUT = (  # variables that name peers, servers or configurations beyond this machine
    'ROS_DISCOVERY_SERVER',
    'ROS_SUPER_CLIENT',
    'ROS_LOCALHOST_ONLY',
    'FASTDDS_ENVIRONMENT_FILE',
    'FASTDDS_DEFAULT_PROFILES_FILE',
    'CYCLONEDDS_URI',
    'ZENOH_SESSION_CONFIG_URI',
    'ZENOH_ROUTER_CONFIG_URI',
    'ZENOH_CONFIG_OVERRIDE',
)

_claims: dict[int, socket.socket] = {}


def claim_domain() -> int:
    """A ROS domain id that is this process's until it ends, however it ends.

    The claim is an abstract unix socket: the kernel drops it with the process, and no file is left
    behind. A second call returns the same id. Raises RequirementError when all of them are taken.
    """
    if os.getpid() in _claims:
        return _domain_of(_claims[os.getpid()])
    for domain in DOMAINS:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f'\0gen_stack/domain/{domain}')
        except OSError:
            claim.close()
            continue
        _claims[os.getpid()] = claim
        return domain
    raise RequirementError(
        f'all isolated ROS domains ({DOMAINS[0]} to {DOMAINS[-1]}) are in use by other runs on '
        'this machine. End one of them (gen up, gen demo, tests), then try again.'
    )


def isolated_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """A copy of `environment` (default: this process's) for processes that no robot may hear."""
    isolated = dict(os.environ if environment is None else environment)
    for name in WAYS_OUT:
        isolated.pop(name, None)
    isolated.update(
        ROS_DOMAIN_ID=str(claim_domain()),
        ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST',
        ROS_STATIC_PEERS='',
        RMW_IMPLEMENTATION='rmw_fastrtps_cpp',
        FASTRTPS_DEFAULT_PROFILES_FILE=str(PROFILE),
        SKIP_DEFAULT_XML_FILE='1',
    )
    check_isolated(isolated)
    return isolated


def isolate_this_process() -> dict[str, str]:
    """Isolate this very process, before its first `rclpy.init`. Returns its new environment."""
    isolated = isolated_environment()
    os.environ.clear()
    os.environ.update(isolated)
    return isolated


def check_isolated(environment: Mapping[str, str]) -> None:
    """Raise ConfigError, naming the variable, if processes with this environment could be heard
    elsewhere.
    """
    demands = {
        'ROS_DOMAIN_ID': environment.get('ROS_DOMAIN_ID', '') in map(str, DOMAINS),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE')
        == 'LOCALHOST',
        'ROS_STATIC_PEERS': not environment.get('ROS_STATIC_PEERS'),
        'RMW_IMPLEMENTATION': environment.get('RMW_IMPLEMENTATION') == 'rmw_fastrtps_cpp',
        'FASTRTPS_DEFAULT_PROFILES_FILE': environment.get('FASTRTPS_DEFAULT_PROFILES_FILE')
        == str(PROFILE)
        and PROFILE.exists(),
        **{name: not environment.get(name) for name in WAYS_OUT},
    }
    for name, met in demands.items():
        if not met:
            raise ConfigError(
                f"not isolated: {name} is '{environment.get(name, '')}', so a robot on the network "
                'might be reached. Start through isolated_environment().'
            )


def is_isolated(environment: Mapping[str, str] | None = None) -> bool:
    """Whether nothing outside this machine's own graph can be reached (default: by this
    process).
    """
    try:
        check_isolated(os.environ if environment is None else environment)
    except ConfigError:
        return False
    return True


def _domain_of(claim: socket.socket) -> int:
    return int(claim.getsockname().decode().rsplit('/', 1)[1])
