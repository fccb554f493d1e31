"""What a person reads in the terminal: the present, one line per episode, the main figures."""

from __future__ import annotations

from gen_nodes.cli.stage import Stage
from gen_nodes.hil.live import ACTORS, EpisodeRow

LATENCIES = ('aggregator', 'policy_tick', 'capture_to_command', 'relay_floor')  # of the contract


def status(stage: Stage, rows: list[EpisodeRow]) -> str:
    """The present on one line."""
    hearing = stage.hearing
    state, watch = hearing.controller, stage.watch
    won = sum(row.success for row in rows)
    text = f'episode {len(rows) + 1}  '
    if watch is not None:
        seconds = max(0.0, (watch.newest_ns - watch.start_ns) / 1e9)
        gap_cm = 100 * watch.distance_m
        text += f"'{watch.scene.instruction}' {seconds:4.1f} s  tip {gap_cm:4.1f} cm away  "
    text += (
        f'{state.mode.name.lower() if state else "starting"}  '
        f'{hearing.command_hz:3.0f} commands/s  '
        f'sensor to command {hearing.age_ms:3.0f} ms  success {won}/{len(rows)}'
    )
    if state is not None and state.reason and watch is not None:
        text += f'  ({state.reason})'
    return text


def verdict(row: EpisodeRow, number: int) -> str:
    """One finished episode on one line."""
    error = f'{100 * row.error_m:.1f} cm' if row.error_m is not None else 'never judged'
    return (
        f'{number:3}  {"success" if row.success else "FAILURE"}  {row.seconds:4.1f} s  {error:>8}  '
        f"'{row.instruction}'" + (f'  {row.note}' if row.note else '')
    )


def summary(report: dict) -> list[str]:
    """The report's main figures, a few lines."""

    def share(actor: str) -> str:
        value = report['success'][actor]
        return f'{actor} ' + ('-' if value is None else f'{100 * value:.0f} %')

    lines = ['success   ' + '   '.join(share(actor) for actor in ACTORS)]
    if report['actor'] != 'policy':
        won = sum(row['success'] for row in report['episodes_detail'])
        lines[0] += f'   {report["actor"]}, live: {won} of {report["episodes"]}'
    distances = {
        name: value for name, value in report['track_error_m'].items() if value is not None
    }
    if distances:
        told = (f'{actor} {100 * value:.1f} cm' for actor, value in distances.items())
        lines.append('distance  ' + '   '.join(told))
    latency = {name: report['latency_ms'][name] for name in LATENCIES}
    if latency['aggregator']['p50'] is not None:
        lines.append(
            'latency   '
            + '   '.join(
                f'{name} {v["p50"]:.1f} / {v["p99"]:.1f} ms'
                for name, v in latency.items()
                if v['p50'] is not None
            )
            + '   (p50 / p99)'
        )
        control, recorder = report['control'], report['recorder']
        lines.append(
            f'control   period {control["period_ms"]["p50"]} / {control["period_ms"]["p99"]} ms   '
            f'{control["missed"]} gaps in {control["ticks"]} ticks   '
            f'recorder: {recorder["published"]} published, {recorder["recorded"]} recorded, '
            f'{recorder["lost"]} lost{stack_lost(recorder)}   '
            f'memory {report["memory_mb"]["total"]:.0f} MB'
        )
    return lines


def stack_lost(recorder: dict) -> str:
    """Lost messages of the stack's own topics, '' where there are none."""
    lost = recorder['stack_lost']
    return f' ({", ".join(f"{count} of {topic}" for topic, count in lost.items())})' if lost else ''
