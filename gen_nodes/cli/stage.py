"""The whole stack with an emulated robot, isolated, and episodes run on it one after another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from gen_nodes.cli.hearing import Hearing
from gen_nodes.cli.live_expert import LiveExpert
from gen_nodes.cli.stage_config import RELAY, StageConfig, stage_processes_of
from gen_nodes.errors import GenError
from gen_nodes.hil.live import EVALUATION_SEED, EpisodeRow, EpisodeWatch, Scene
from gen_nodes.hil.world import load_world
from gen_nodes.robot import RobotSpec
from gen_nodes.ros.footprint import Footprint
from gen_nodes.ros.graph import (
    CONSEQUENCES,
    Graph,
    describe_exit,
)
from gen_nodes.ros.isolation import isolate_this_process
from gen_nodes.ros.operator import Operator, Unanswered
from gen_nodes.types import Episode, EpisodeEvent, Mode, StreamState

START_S = 90.0  # all nodes active, on a slow machine
RESTART_S = 30.0
READY_S = 20.0  # then every required sensor live
VERDICT_S = 5.0  # the recorder closes its bag
SPOKEN = ('action_chunk', 'executed')  # topics of the stack that must be recorded
SLACK_S = 5.0  # beyond an episode's time limit: the truth has dried up
FOOTPRINT_S = 2.0
RELEASE_S = 3.0  # the controller hears joint states after its activation


class NodeDied(GenError):
    """A node of the stack has died."""


class Stage:
    """Context manager. Enter: every node is active and every sensor live; leave: nothing is left.

    announce: told, in a line, what a person should know. pulse: called about 20 times a second.
    """

    def __init__(
        self, config: StageConfig, spec: RobotSpec, announce: Callable[[str], None]
    ) -> None:
        self.config, self.spec, self.announce = config, spec, announce
        self.world = load_world(config.world)
        self.pulse: Callable[[], None] = lambda: None
        self.deaths: list[str] = []
        self.watch: EpisodeWatch | None = None
        self.started_s = 0.0
        self.last_row: EpisodeRow | None = None  # of the episode that a death ended
        self._open: Episode | None = None
        self._looked_s = 0.0
        self._temporary = (config.out / 'tmp').resolve()
        self.footprint = Footprint(self._temporary)

    # From start to end

    def __enter__(self) -> Stage:
        began = time.monotonic()
        environment = isolate_this_process()
        self._temporary.mkdir(parents=True, exist_ok=True)
        self.graph = Graph(
            stage_processes_of(self.config),
            environment={**environment, 'TMPDIR': str(self._temporary)},
            log_dir=(self.config.out / 'log').resolve(),
            announce=self.announce,
        )
        self.operator: Operator | None = None
        try:
            self.graph.start()
            self.operator = Operator(self._look)
            self.hearing = Hearing(self.operator, self.spec)
            self.hearing.on_truth = self._on_truth
            self.expert = (
                None
                if self.config.checkpoint
                else LiveExpert(self.operator, self.hearing, self.spec)
            )
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        self.started_s = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        """End the open episode so that its bag is closed, then every process."""
        try:
            if self.operator is not None and self._open is not None:
                self._stop('failure', 'interrupted')
                self._wait_for_verdict(1.5)
        except (GenError, KeyboardInterrupt) as error:
            self.announce(f'the open episode was not closed in order: {error}')
        finally:
            self.graph.stop()
            if self.operator is not None:
                self.operator.close()

    def left_behind(self) -> dict[str, list[str]]:
        """Processes, shared memory and temporary files that are still there; call after leaving."""
        left = self.footprint.left_behind()
        if not left['files']:
            self._temporary.rmdir()
        return left

    def _wait_until_ready(self, timeout_s: float = START_S) -> None:
        missing = self.operator.inactive(self.graph.processes, timeout_s)
        if missing:
            raise GenError(
                f'{missing[0]} is not active after {timeout_s:g} s; '
                f'its last words: {self._words(missing[0])}'
            )
        if not self.operator.until(lambda: not self._not_live(), READY_S):
            raise GenError(
                f'not ready after {READY_S:g} s: {self._not_live()}; logs: {self.graph.log_dir}'
            )

    def _not_live(self) -> str:
        """What is still missing before an episode can begin, '' when nothing is."""
        hearing = self.hearing
        if hearing.controller is None or hearing.truth is None:
            return 'controller or emulator is silent'
        observation = hearing.newest_observation
        states = {h.stream: h.state for h in observation.health} if observation else {}
        waiting = [
            name
            for name, stream in self.spec.streams.items()
            if stream.required and states.get(name) != StreamState.LIVE
        ]
        if waiting:
            return f"stream '{waiting[0]}' is not live"
        return self._not_recorded()

    def _not_recorded(self) -> str:
        """A topic that the recorder does not hear yet, '' when it hears all."""
        if self.hearing.unrecorded is None:
            return 'data_recorder has said nothing yet'
        streams = self.spec.streams.values()
        required = {t for stream in streams if stream.required for t in stream.topics.values()}
        sensed = [t for stream in streams for t in stream.topics.values()]
        unheard = [
            *(t for t in self.hearing.unrecorded.split() if t in required),
            *(t for t in (*sensed, *SPOKEN) if not self.operator.is_heard(t, 'data_recorder')),
        ]
        return f'data_recorder does not hear {unheard[0]} yet' if unheard else ''

    def restart(self, name: str) -> None:
        """Start a node again, after it has died, and wait until all is ready. Raises GenError."""
        self.hearing.unrecorded = None
        self.graph.restart(name)
        self._wait_until_ready(RESTART_S)

    # While it runs

    def _look(self) -> None:
        """Deaths, memory, whoever wants to show progress."""
        died = [(name, code) for name, code in self.graph.poll() if name != RELAY]
        for name, code in died:
            if not self.started_s:
                raise NodeDied(
                    f'{name} did not start ({describe_exit(code)}): {self._error_of(name)}'
                )
            self.deaths.append(f'{name} has died ({describe_exit(code)}). {CONSEQUENCES[name]}')
            self.announce(f'{self.deaths[-1]} Its last words: {self._words(name)}')
        now = time.monotonic()
        if now - self._looked_s > FOOTPRINT_S:
            self._looked_s = now
            self.footprint.look(
                {name: pid for name, pid in self.graph.pids().items() if name != RELAY}
            )
        self.pulse()
        if died:
            self._halt()
            raise NodeDied(self.deaths[-1])

    def _halt(self) -> None:
        if self.operator is not None:  # it may have died before we listened
            self.operator.request_soon('embodiment_controller/stop')

    def _error_of(self, name: str) -> str:
        """What a node that could not start said about it."""
        lines = self.graph.log_tail(name, 10)
        begins = [place for place, line in enumerate(lines) if line.startswith(f'{name}: ')]
        return ' '.join(lines[begins[-1] :]) if begins else self._words(name)

    def _words(self, name: str) -> str:
        said = self.graph.log_tail(name, 3)
        return ' / '.join(said) if said else f'none; log: {self.graph.log_dir / name}.log'

    def _on_truth(self, truth) -> None:
        if self.watch is not None:
            self.watch.update(truth)

    # Episodes

    def episode(self, task: str, number: int) -> EpisodeRow:
        """Set the scene, let the robot try, judge. Raises NodeDied once the bag is closed."""
        scene = self._set_scene(task, number)
        id = f'{task}_s{self.config.seed}_{number:03d}'
        self._start(id, scene)
        watch, note = self.watch, ''
        try:
            if not self.operator.until(
                lambda: watch.done or self._stopped(), scene.time_limit_s + SLACK_S
            ):
                note = 'the emulator told no truth any more'
            elif not watch.done:
                note = f'the controller stopped: {self.hearing.controller.reason}'
        except NodeDied as death:
            self.last_row = watch.row(str(death))
            self._end(self.last_row)
            raise
        row = watch.row(note)
        self._end(row)
        return row

    def _set_scene(self, task: str, number: int) -> Scene:
        operator = self.operator
        operator.deactivate(
            'embodiment_controller'
        )  # the robot is about to be put elsewhere by a hand
        operator.set_parameters(
            'robot_emulator',
            {
                'task': task,
                'episode_seed': EVALUATION_SEED + number,
                'camera_shift_m': self.config.camera_shift_m,
            },
        )
        said = json.loads(operator.trigger('robot_emulator/reset'))
        self.hearing.target = said['target']
        operator.activate('embodiment_controller')
        self._release()
        return Scene(
            said['instruction'], said['task'], said['target'], said['seed'], said['time_limit_s']
        )

    def _release(self) -> None:
        """Leave the stop that ended an earlier episode: with the new scene its cause is gone.
        Raises Unanswered where the controller still refuses, e.g. because no joint states come.
        """
        end = time.monotonic() + RELEASE_S
        while True:
            try:
                self.operator.trigger('embodiment_controller/reset')
                return
            except Unanswered:
                if time.monotonic() > end:
                    raise
            self.operator.until(lambda: False, 0.1)  # the first joint states are on their way

    def _start(self, id: str, scene: Scene) -> None:
        self.hearing.begin()
        self._open = Episode(
            self.operator.now_ns(), EpisodeEvent.START, id, scene.instruction, scene.task
        )
        self.watch = EpisodeWatch(id, scene, self.world, self._open.stamp_ns)
        self.operator.mark(self._open)
        if self.expert:
            self.expert.begin()

    def _stopped(self) -> bool:
        state = self.hearing.controller
        return (
            state is not None
            and state.mode == Mode.STOPPED
            and state.stamp_ns >= self._open.stamp_ns
        )

    def _stop(self, outcome: str, note: str) -> None:
        begun, self._open, self.watch = self._open, None, None
        self._id = begun.id
        if self.expert:
            self.expert.end()
        self.operator.mark(
            Episode(
                self.operator.now_ns(),
                EpisodeEvent.STOP,
                begun.id,
                begun.instruction,
                begun.task,
                outcome,
                note,
            )
        )

    def _end(self, row: EpisodeRow) -> None:
        """Stop, let the recorder finish, take the measures."""
        self._stop('success' if row.success else 'failure', row.note)
        try:
            if not self._wait_for_verdict(VERDICT_S):
                self.announce(f'the recorder said nothing about episode {row.id}')
        except NodeDied as death:
            self.announce(str(death))
        self.hearing.finish(row.id)

    def _wait_for_verdict(self, timeout_s: float) -> bool:
        if 'data_recorder' not in self.graph.pids():
            return False
        awaited = [self.hearing.verdicts]
        if 'robot_emulator' in self.graph.pids():
            awaited.append(self.hearing.published)
        return self.operator.until(lambda: all(self._id in heard for heard in awaited), timeout_s)
