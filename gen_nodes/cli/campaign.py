"""What `gen eval` and `gen demo` share: episodes live and in lockstep, gathered into one report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gen_nodes.checkpoint_files import sha256
from gen_nodes.cli.account import account, complete, in_bag
from gen_nodes.cli.progress import Progress
from gen_nodes.cli.provenance import command_line, machine, versions
from gen_nodes.cli.stage import NodeDied, Stage
from gen_nodes.cli.words import LATENCIES, status, verdict
from gen_nodes.hil.live import ACTORS, EpisodeRow
from gen_nodes.hil.measures import success_shares, track_errors
from gen_nodes.hil.references import LockstepJob, run_all

NOT_LIVE = {  # what only a live run can tell
    'latency_ms': {name: {'p50': None, 'p99': None} for name in LATENCIES},
    'control': {'period_ms': {'p50': None, 'p99': None}, 'missed': None},
    'recorder': {'published': None, 'recorded': None, 'lost': None},
}


@dataclass
class Results:
    """Everything that a run has found out. actor: who acts live, 'policy' or 'expert'.

    rows: episodes by who acted; those of an expert that acts live are under 'live'.
    """

    robot: str
    task: str
    seed: int
    checkpoint: Path | None
    actor: str = 'policy'
    rows: dict[str, list[EpisodeRow]] = field(
        default_factory=lambda: {actor: [] for actor in (*ACTORS, 'live')}
    )
    deaths: list[str] = field(default_factory=list)
    live: dict = field(default_factory=dict)
    began: float = field(default_factory=time.time)

    @property
    def acted(self) -> list[EpisodeRow]:
        """The live episodes."""
        return self.rows['policy' if self.actor == 'policy' else 'live']

    def report(self) -> dict:
        """The report's contract, and more."""
        rows = {actor: [asdict(row) for row in self.rows[actor]] for actor in ACTORS}
        return {
            'robot': self.robot,
            'task': self.task,
            'episodes': len(self.acted),
            'seed': self.seed,
            'checkpoint_sha256': sha256(self.checkpoint) if self.checkpoint else None,
            'success': success_shares(rows),
            'track_error_m': track_errors(rows, self.task),
            **NOT_LIVE,
            **self.live,
            'versions': versions(),
            'actor': self.actor,
            'episodes_detail': [asdict(row) for row in self.acted],
            'references_detail': {
                actor: [brief(row) for row in rows[actor]] for actor in ACTORS[1:]
            },
            'deaths': self.deaths,
            'command': command_line(),
            'machine': machine(),
            'started': time.strftime('%Y-%m-%dT%H:%M:%S%z', time.localtime(self.began)),
            'duration_s': round(time.time() - self.began, 1),
        }


def run_live(
    stage: Stage,
    results: Results,
    numbers: Iterable[int],
    progress: Progress,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Episodes over DDS, one after another. A node's death fails one and ends the rest."""
    rows = results.acted

    def pulse() -> None:
        if progress.due():
            progress.show(status(stage, rows))

    stage.pulse = pulse
    for number in numbers:
        if not go_on():
            break
        try:
            row = stage.episode(results.task, number)
        except NodeDied:
            if stage.last_row is not None:
                rows.append(stage.last_row)
                progress.say(verdict(stage.last_row, len(rows)))
            break
        rows.append(row)
        progress.say(verdict(row, len(rows)))
    results.deaths = list(stage.deaths)


def gather(stage: Stage) -> dict:
    """Figures of a stage that has been left."""
    hearing, measures = stage.hearing, stage.hearing.measures
    for id, heard in hearing.episodes.items():
        measures.add(complete(heard, hearing.verdicts.get(id, {}).get('path')))
    latency = measures.summary()
    period = latency.pop('control_period')
    in_bags = {
        id: in_bag(Path(hearing.verdicts[id]['path']), said['start_ns'], said['stop_ns'])
        for id, said in hearing.published.items()
        if id in hearing.verdicts
    }
    recorder = account(hearing.published, in_bags, hearing.verdicts)
    return {
        'latency_ms': latency,
        'policy_tick_own_ms': hearing.tick_ms,
        'control': {
            'period_ms': period,
            'missed': hearing.missed,
            'ticks': hearing.ticks,
            'worst_gap_ms': round(hearing.worst_gap_s * 1e3, 2),
            'gaps': hearing.gaps,
            'nominal_ms': 1e3 / stage.spec.control.rate_hz,
        },
        'recorder': recorder,
        'bags': bags_of(stage),
        'modes': [
            {'stamp_ns': stamp, 'mode': mode.name, 'reason': reason}
            for stamp, mode, reason in hearing.modes
        ],
        'memory_mb': {
            **{name: round(size, 1) for name, size in stage.footprint.peak_mb.items()},
            'total': round(stage.footprint.total_mb, 1),
        },
        'memory_shared_once_mb': round(stage.footprint.shared_once_mb, 1),
        'cpu_s': {
            'operator': round(sum(os.times()[:2]), 1),
            **{name: round(seconds, 1) for name, seconds in stage.footprint.cpu_s.items()},
        },
        'left_behind': stage.left_behind(),
        'start_seconds': round(stage.started_s, 1),
        'figures': measures.arrays_ms(),
    }


def bags_of(stage: Stage) -> list[str]:
    """Every bag of the run, also one whose recorder has died."""
    folder = (stage.config.out / 'bags').resolve()
    ids = stage.hearing.episodes
    told = [str(verdict['path']) for id, verdict in stage.hearing.verdicts.items() if id in ids]
    untold = [str(folder / id) for id in ids if id not in stage.hearing.verdicts]
    return told + [path for path in untold if Path(path).is_dir()]


def run_lockstep(
    results: Results,
    actors: Iterable[str],
    episode_seeds: list[int],
    progress: Progress,
    world: str,
    camera_shift_m: float,
    workers: int = 2,
) -> None:
    """The same scenes in simulated time by `actors`, in processes of their own."""
    jobs = [
        LockstepJob(
            actor,
            results.robot,
            results.task,
            results.seed,
            seed,
            world,
            results.checkpoint,
            camera_shift_m,
        )
        for actor in actors
        for seed in episode_seeds
    ]
    done: dict[str, dict[int, EpisodeRow]] = {job.actor: {} for job in jobs}
    for count, (job, row) in enumerate(run_all(jobs, workers), start=1):
        done[job.actor][job.episode_seed] = row
        progress.show(
            f'lockstep: {count}/{len(jobs)} episodes  '
            + '  '.join(
                f'{actor} {sum(r.success for r in those.values())}/{len(those)}'
                for actor, those in done.items()
                if those
            )
        )
    for actor, those in done.items():
        results.rows[actor] = [those[seed] for seed in episode_seeds]
        progress.say(
            f'{actor:7} {sum(row.success for row in those.values())}/{len(those)} (lockstep)'
        )


def brief(row: dict) -> dict:
    """A row of the report without its trajectories."""
    return {
        key: value for key, value in row.items() if key not in ('tip_m', 'target_m', 'others_m')
    }
