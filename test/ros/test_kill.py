"""Any node killed during an episode: the arm rests, the operator is told, the bag is readable."""

import os
import signal
import time

import numpy as np
import pytest

from gen_nodes.cli.stage import NodeDied, Stage
from gen_nodes.cli.stage_config import StageConfig
from gen_nodes.data.bags import BagReader
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.qos import reliable
from gen_nodes.types import NS, Mode

SPEC = load_robot('ur5e')
PERIOD_NS = round(NS / SPEC.control.rate_hz)
NOTICE_S = 0.5  # beyond the timeout, on a machine that stalls
ATTEMPTS = 4
EASE_S = max(SPEC.acceleration / SPEC.jerk)


@pytest.fixture(scope='module')
def stage(checkpoint, tmp_path_factory):
    """One graph for all tests: each one mends what it killed, so that restarts are proven too."""
    config = StageConfig('ur5e', 0, tmp_path_factory.mktemp('stage'), checkpoint, relay=False)
    stage = Stage(config, SPEC, print)
    stage.commands, stage.tips, stage.said, stage.killed_ns = [], [], [], 0
    stage.announce = stage.said.append
    with stage:
        stage.operator.listen(
            'gen_stack/msg/JointCommand',
            'executed',
            lambda message, info: stage.commands.append(message),
            reliable(50),
        )
        yield stage
    began = time.monotonic()
    left = stage.left_behind()
    assert not any(left.values()), left
    assert time.monotonic() - began < 5


def kill_while_running(stage: Stage, name: str, number: int) -> int:
    """SIGKILL a node while the arm plays chunks; the number of the episode. On a machine that
    stalls, the controller rightly stops an episode or two before it comes to that.
    """

    def strike() -> None:
        played = sum(command.sequence > 0 for command in stage.commands)
        if stage.watch is not None and played > 20 and name in stage.graph.pids():
            stage.killed_ns = stage.operator.now_ns()
            os.kill(stage.graph.pids()[name], signal.SIGKILL)

    notes = []
    for attempt in range(ATTEMPTS):
        stage.commands.clear()
        stage.pulse = strike
        try:
            row = stage.episode('reach', ATTEMPTS * number + attempt)
        except NodeDied as death:
            assert f'{name} has died (killed by SIGKILL' in str(death)
            return ATTEMPTS * number + attempt
        finally:
            stage.pulse = lambda: None
        notes.append(f'{row.seconds} s: {row.note}')
        assert name in stage.graph.pids() and row.note, notes  # nobody stopped it: a fault
    pytest.fail(f'the arm never played enough chunks to kill {name}: {notes}')


NODES = (
    'harmonic_policy',
    'sensor_aggregator',
    'data_recorder',
    'robot_emulator',
    'embodiment_controller',
)


@pytest.mark.parametrize(('number', 'name'), list(enumerate(NODES)))
def test_a_killed_node_brings_the_arm_to_rest_and_is_named_and_the_bag_is_readable(
    stage, number, name
):
    episode = kill_while_running(stage, name, number)
    assert any(text.startswith(f'{name} has died (killed by SIGKILL)') for text in stage.said)
    stage.operator.until(lambda: False, 1.0)
    if name == 'embodiment_controller':
        tips = [stage.hearing.truth.tips_Tx3]
        stage.operator.until(lambda: False, 0.3)
        assert np.linalg.norm(stage.hearing.truth.tips_Tx3 - tips[0]) < 0.003
    else:
        came_to_rest(stage)
    bag = BagReader(stage.config.out / 'bags' / f'reach_s0_{episode:03d}')
    assert bag.topics['/joint_states'].count > 10
    assert bag.finished == (name != 'data_recorder')
    assert sum(1 for _ in bag.messages()) == bag.count
    stage.restart(name)


def came_to_rest(stage: Stage) -> None:
    """The controller noticed in time; from two control periods after that it only braked, from the
    time that it takes to end the present acceleration no joint sped up, and then it stood.
    """
    noticed_ns, reason = next(
        (stamp_ns, reason)
        for stamp_ns, mode, reason in stage.hearing.modes
        if stamp_ns > stage.killed_ns and mode in (Mode.HOLDING, Mode.STOPPED)
    )
    assert reason
    said = [((at - stage.killed_ns) / NS, mode.name, why) for at, mode, why in stage.hearing.modes]
    played = [(convert.stamp_ns(c) - stage.killed_ns) / NS for c in stage.commands if c.sequence]
    assert (noticed_ns - stage.killed_ns) / NS < SPEC.control.chunk_timeout_s + NOTICE_S, (
        said[-8:],
        played[-3:],
    )
    after = [c for c in stage.commands if convert.stamp_ns(c) > noticed_ns + 2 * PERIOD_NS]
    assert all(command.sequence == 0 for command in after)
    eased_ns = noticed_ns + 2 * PERIOD_NS + round(EASE_S * NS)
    speeds = np.abs([c.rates for c in after if convert.stamp_ns(c) > eased_ns])
    assert (np.diff(speeds, axis=0) < 1e-6).all()
    assert np.allclose(stage.commands[-1].rates, 0.0, atol=1e-6)
