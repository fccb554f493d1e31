"""gen train: one policy from bags."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import platform
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from tqdm import tqdm

from gen_nodes.errors import BagError, ConfigError
from gen_nodes.robot import load_robot
from gen_nodes.whole import write_whole

HELP = 'train one policy from recorded bags'
SHARDS = 'shards'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen train`."""
    parser.add_argument('config', type=Path, help='train config, e.g. config/train/demo.yaml')
    parser.add_argument(
        '--out', type=Path, help='where state, curve and checkpoint go (default: out/train/<name>)'
    )
    parser.add_argument('--bags', type=Path, help="directory of bags (default: the config's)")
    parser.add_argument('--device', default='auto', help='cpu, cuda or auto (default)')
    parser.add_argument(
        '--goal-steps', type=int, help="optimiser steps of the goal stage (default: the config's)"
    )
    parser.add_argument(
        '--steps', type=int, help="optimiser steps of the act stage (default: the config's)"
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=2,
        help='processes that read bags and draw batches (default: 2)',
    )
    parser.add_argument(
        '--fresh', action='store_true', help='start anew even if there is a state to resume'
    )


def run(args: argparse.Namespace) -> int:
    """Bags to shards, shards to a checkpoint; resumes where an earlier run stopped."""
    from dataclasses import replace

    import torch

    from gen_nodes.train.config import read_train_config
    from gen_nodes.train.loop import Trainer
    from gen_nodes.version import code_version

    version = code_version()  # now: training takes long, and the code may change meanwhile
    config = read_train_config(args.config)
    given = {'steps': args.steps, 'goal_steps': args.goal_steps}
    config = replace(config, **{name: value for name, value in given.items() if value is not None})
    out = args.out or Path('out/train') / config.name
    out.mkdir(parents=True, exist_ok=True)
    bags = args.bags or Path(config.bags)
    device = torch.device(pick_device(args.device))
    shards = {
        robot: make_shards(bags / robot, out / SHARDS / robot, robot, config, args.workers)
        for robot in config.robots
    }
    train, held_out, digest = load_episodes(shards, config, device)
    if device.type == 'cuda':
        torch.set_float32_matmul_precision('high')
    trainer = Trainer(
        config,
        train,
        held_out,
        device,
        out,
        args.workers if device.type == 'cuda' else 0,
        version,
    )
    if args.fresh:
        for name in ('state.safetensors', 'curve.csv'):
            (out / name).unlink(missing_ok=True)
    elif trainer.resume():
        print(f'resumed at step {trainer.step} from {out / "state.safetensors"}')
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(
        f'{parameters / 1e6:.2f} M parameters on {device}, '
        f'{config.goal_steps} + {config.steps} steps'
    )
    _train(trainer, config.all_steps)
    path = _ship(trainer, out, shards, digest, args)
    _plot(out)
    print(f'checkpoint: {path} ({path.stat().st_size / 1e6:.1f} MB)   curve: {out / "curve.png"}')
    return 0


def pick_device(name: str) -> str:
    """'auto' becomes cuda where there is one."""
    import torch

    if name == 'auto':
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    if name not in ('cpu', 'cuda'):
        raise ConfigError(f"--device '{name}' is not one of: cpu, cuda, auto")
    if name == 'cuda' and not torch.cuda.is_available():
        raise ConfigError(
            "--device cuda: this torch sees no GPU; use 'cpu' or install a CUDA build of torch"
        )
    return name


def make_shards(bags: Path, out: Path, robot: str, config, workers: int) -> list[Path]:
    """Shards of one robot's bags; bags that have one already are not read again."""
    from gen_nodes.data.episodes import usable

    episodes, left_out = usable(bags)
    found = [episode.path for episode in episodes if episode.outcome != 'failure']
    failures = len(episodes) - len(found)
    left_out.update({'failed': failures} if failures else {})
    if left_out:
        print(
            f'{robot}: left out '
            + ', '.join(f'{n} {reason}' for reason, n in sorted(left_out.items()))
        )
    if not found:
        raise BagError(
            f"no bags of robot '{robot}' under {bags}; record some or run: "
            f'gen collect --robot {robot} --out {bags.parent}'
        )
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(bag, out / f'{bag.name}.safetensors', robot, config) for bag in found]
    with ProcessPoolExecutor(workers) as pool:
        bar = tqdm(pool.map(make_shard, jobs, chunksize=4), total=len(jobs), desc=f'shards {robot}')
        refused = {job[1]: why for job, why in zip(jobs, bar, strict=True) if why}
    for path, why in refused.items():
        print(f'left out {path.stem}: {why}')
    if len(refused) == len(jobs):
        raise BagError(f'none of the {len(jobs)} bags under {bags} can be learnt from, see above')
    return [job[1] for job in jobs if job[1] not in refused]


def make_shard(job: tuple) -> str:
    """One bag to one shard, through the live tokeniser, unless it is there already. Why not, or
    ''.
    """
    from dataclasses import replace

    from gen_nodes.data.bags import BagReader
    from gen_nodes.train.arrays import episode_arrays, fingerprint, made_from

    bag, path, robot, config = job
    spec, period_s = _robot(robot), config.model.body_period_s
    present = fingerprint(bag, spec, config.cameras, period_s)
    if made_from(path) == present:
        return ''
    try:
        episode = episode_arrays(BagReader(bag), spec, config.cameras, period_s)
    except BagError as error:
        return str(error)
    if episode.task not in config.hindsight:
        return (
            f"its task '{episode.task}' has no rule under `hindsight` of the train config, which "
            f'knows {", ".join(config.hindsight)}'
        )
    replace(episode, made_from=present).save(path)
    return ''


_robot = cache(load_robot)


def split(episodes: list, share: float) -> tuple[list, list]:
    """(to learn from, held out): the same share of every task, at least one episode of each."""
    learnt, held_out = [], []
    for task in sorted({episode.task for episode in episodes}):
        those = [episode for episode in episodes if episode.task == task]
        count = max(1, round(share * len(those)))
        held_out += those[:count]
        learnt += those[count:]
    if not learnt:
        raise BagError(f'{len(episodes)} episodes are too few: record at least two of each task')
    return learnt, held_out


def load_episodes(shards: dict[str, list[Path]], config, device) -> tuple[dict, dict, str]:
    """Episodes of every robot on the device, split by a fixed share, and a digest of what
    all shards were made from.
    """
    from gen_nodes.train.arrays import load_arrays
    from gen_nodes.train.batches import RobotEpisodes

    train, held_out, digest = {}, {}, hashlib.sha256()
    for robot, paths in shards.items():
        spec = load_robot(robot)
        episodes = [load_arrays(path) for path in tqdm(paths, desc=f'load {robot}')]
        digest.update('\n'.join(episode.made_from for episode in episodes).encode())
        learnt, unseen = split(episodes, config.held_out)
        held_out[robot] = RobotEpisodes(unseen, spec, config, device)
        train[robot] = RobotEpisodes(learnt, spec, config, device)
    return train, held_out, digest.hexdigest()


def _train(trainer, steps: int) -> None:
    bar = tqdm(total=steps, initial=trainer.step, desc='train', mininterval=1.0)
    for row in trainer.run():
        bar.update()
        if row['step'] % 20 == 0 or row['step'] == steps:
            for name, scale, unit in (('flow', 1, ''), ('goal_m', 100, ' cm')):
                values = [float(v) for k, v in row.items() if k.endswith(f'/{name}')]
                if values:
                    bar.set_postfix_str(
                        f'{name.removesuffix("_m")} {scale * sum(values) / len(values):.3g}{unit}'
                    )
        if any(k.endswith('held_out_flow') for k in row):
            tqdm.write(
                f'step {row["step"]}  '
                + '  '.join(
                    f'{k} {float(v):.4f}'
                    for k, v in row.items()
                    if k.endswith(('held_out_flow', 'start_goal_m'))
                )
            )
    bar.close()


def _ship(trainer, out: Path, shards: dict, digest: str, args: argparse.Namespace) -> Path:
    from gen_nodes.cli.provenance import command_line
    from gen_nodes.policy.checkpoint import CheckpointHeader, save_checkpoint

    config = trainer.config
    provenance = {
        'version': ', '.join(trainer.versions),
        'config': config.to_dict(),
        'seed': config.seed,
        'command': command_line(),
        'robots': {r: load_robot(r).sha256 for r in config.robots},
        'bags': {robot: len(paths) for robot, paths in shards.items()},
        'bags_digest': digest,
        'train_seconds': round(trainer.seconds),
        'device': device_name(trainer.device),
        'parameters': sum(p.numel() for p in trainer.model.parameters()),
    }
    path = out / f'{config.name}.safetensors'
    save_checkpoint(
        path, trainer.average.module, CheckpointHeader(config.model, config.cameras, provenance)
    )
    write_whole(out / 'provenance.json', json.dumps(provenance, indent=1) + '\n')
    return path


def device_name(device) -> str:
    """What it was trained on, for provenance."""
    import torch

    return torch.cuda.get_device_name() if device.type == 'cuda' else f'CPU {platform.machine()}'


def _plot(out: Path) -> None:
    """The validation curve as a picture."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    with (out / 'curve.csv').open() as file:
        rows = list(csv.DictReader(file))
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for axis, suffix, title in (
        (axes[0], '/held_out_flow', 'held-out flow loss'),
        (axes[1], '/start_goal_m', 'goal error at the start of unseen episodes [m]'),
    ):
        for key in rows[0]:
            if key.endswith(suffix):
                axis.semilogy(
                    [int(r['step']) for r in rows],
                    [float(r[key]) for r in rows],
                    label=key.split('/')[0],
                )
        axis.set(title=title, xlabel='step')
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(out / 'curve.png', dpi=120)
    pyplot.close(figure)
