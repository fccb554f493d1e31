"""Acceptance steps that take something away and see that the robot holds or stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gen_nodes.cli.acceptance.bench import NOTICED_S, Bench, Interruption, honest
from gen_nodes.cli.acceptance.person import Skipped
from gen_nodes.cli.acceptance.steps_motion import _signed, stopped
from gen_nodes.cli.estop import Estop, publishers_of
from gen_nodes.embodiment.controller import RAMP_S, SLOWEST_SHARE
from gen_nodes.errors import GenError
from gen_nodes.hil.acceptance.limits import UNHEARD
from gen_nodes.hil.acceptance.plan import Plan, Rest
from gen_nodes.hil.acceptance.results import Findings, at_most, holds, together
from gen_nodes.hil.acceptance.stops import MOVED, PERIODS, REACTION_S, first_in, judge_resume
from gen_nodes.types import NS, Mode

SILENT_S = 1.0
ERROR = 2  # level in the diagnostics
RESUMES_S = 1.0  # by itself, once the input is back
RESUME_LOOK_S = 0.2
CAMERA_S = 1.0  # beyond its timeout: three frames, and the aggregator's next look at its streams
LATER_S = 0.2
UNSEEN = ('standing_s', 'distance', 'predicted_s', 'predicted_distance')  # without joint states
AFTER_LAST, STATES = 'after the last one', 'joint states'
COMMANDED = (MOVED, 'brake commanded within', UNHEARD, 'limits violated')


def periods_s(bench: Bench) -> float:
    """Two control periods [s]."""
    return PERIODS / bench.spec.control.rate_hz


# Watchdogs


def watchdogs(bench: Bench) -> Findings:
    """The policy falls silent and comes back; a chunk is malformed."""
    bench.may_go(bench.speed)
    timeout_s = bench.spec.control.chunk_timeout_s
    found = bench.interrupt(lambda: _fall_silent(bench), Mode.HOLDING)
    silent = stopped(bench, found, 'after the last chunk', timeout_s + periods_s(bench))
    return together(
        {'chunks cease': silent, 'chunks are back': _resumes(bench), 'malformed': malformed(bench)}
    )


def _fall_silent(bench: Bench) -> int:
    """No chunks any more; the stamp of the last one [ns]."""
    bench.puppet.stop()
    return bench.chunks[max(bench.chunks)]


def _resumes(bench: Bench) -> Findings:
    """From HOLDING to RUNNING without anybody's help."""
    plan = bench.plan(bench.motion(bench.speed), speed=bench.speed)
    since_ns = bench.now_ns()
    bench.start(plan)
    running = first_in(bench.states(bench.record(since_ns)), since_ns, Mode.RUNNING)
    after_s = (running.stamp_ns - since_ns) / NS if running else float('inf')
    return Findings((at_most('goes on by itself', after_s, RESUMES_S, 's'),), {'after_s': after_s})


def malformed(bench: Bench) -> Findings:
    """Chunks that cannot be played are refused and named; the good ones play on."""
    checks = []
    for name, spoil, word in SPOILT:
        since_ns = bench.now_ns()
        bench.falsify = _one(spoil)
        bench.rig.wait(SILENT_S)
        record = bench.record(since_ns)
        remarks = [r for r in record.remarks if r.component == 'action chunk']
        named = [r.cause for r in remarks if r.level == ERROR]
        told = any(word in cause for cause in named)
        states = [s for s in bench.states(record) if s.mode != Mode.RUNNING]
        others = [f'{state.mode.name}: {state.reason}' for state in states]
        checks.append(holds(f'{name} refused and named', told, _say(named)))
        checks.append(holds(f'{name}: the good chunks play on', not others, '; '.join(others)))
    bench.falsify = honest
    return Findings(tuple(checks))


def _one(spoil: Callable[[Any], None]) -> Callable[[Any], Iterable[Any]]:
    """Spoils the next chunk and no other."""
    left = [1]

    def falsify(message: Any) -> Iterable[Any]:
        if left:
            left.clear()
            spoil(message)
        return (message,)

    return falsify


def _wrong_name(message: Any) -> None:
    message.joint_names = ['no_such_joint', *message.joint_names[1:]]


def _not_finite(message: Any) -> None:
    message.values[len(message.values) // 2] = float('nan')


SPOILT = (
    ('a chunk for an unknown joint', _wrong_name, 'unknown joint'),
    ('a chunk with NaN', _not_finite, 'not finite'),
)


def _say(words: list[str]) -> str:
    return words[-1] if words else 'nothing'


# E-stop


def estop(bench: Bench) -> Findings:
    """Pressed, released, silent; each time only a reset lets the robot go on."""
    ours = not publishers_of(bench.rig.operator, bench.spec.estop.topic, besides=bench.estop)
    button = _our_estop(bench) if ours else None
    bench.may_go(bench.speed)
    pressed = _press(bench, button)
    parts = {'pressed': stopped(bench, pressed, 'after it was pressed')}
    parts['reset while pressed'] = _refused(bench)
    _release(bench, button)
    parts['after the reset'] = resume(bench)
    parts |= {'silent': _silence(bench, button)} if button else {}
    notes = () if button else ('its falling silent was not tried: its publisher is not ours',)
    return _with_notes(together(parts), notes)


def _with_notes(findings: Findings, notes: tuple[str, ...]) -> Findings:
    return Findings(findings.checks, findings.figures, findings.notes + notes, findings.traces)


def _our_estop(bench: Bench) -> Estop:
    if bench.estop is None:
        bench.estop = Estop(bench.rig.operator, bench.spec.estop.topic)
        bench.rig.wait(SILENT_S)
    return bench.estop


def _press(bench: Bench, button: Estop | None) -> Interruption:
    def by_us() -> int:
        return button.say(True)

    def by_hand() -> int:
        return _by_hand(bench, 'press the emergency stop that publishes the e-stop topic')

    return bench.interrupt(by_us if button else by_hand, Mode.STOPPED)


def _by_hand(bench: Bench, what: str) -> int:
    """A person does something while the robot moves; when the robot said so, or the controller
    noticed [ns].
    """
    asked_ns = bench.now_ns()
    bench.person.does(what, lambda: bench.rig.in_mode(Mode.STOPPED, Mode.HOLDING))
    said_ns = bench.signals.forbade_ns(asked_ns)
    return said_ns or bench.rig.state.since_ns


def _refused(bench: Bench) -> Findings:
    refusal = bench.rig.try_reset()
    return Findings((holds('refused, with its reason', bool(refusal), refusal or 'accepted'),))


def _release(bench: Bench, button: Estop | None) -> None:
    if button:
        button.say(False)
        bench.rig.wait(0.2)
    else:
        bench.person.does('release the emergency stop', lambda: not bench.rig.try_reset())


def _silence(bench: Bench, button: Estop) -> Findings:
    """The button's publisher falls silent."""
    bench.prepare()
    found = bench.interrupt(button.fall_silent, Mode.STOPPED)
    timeout_s = bench.spec.estop.timeout_s
    judged = stopped(bench, found, 'after its last word', timeout_s + periods_s(bench))
    button.speak()
    bench.rig.wait(0.3)
    bench.leave_stop()
    return judged


def resume(bench: Bench) -> Findings:
    """Reset, and ask at once for more than the ramp gives."""
    if bench.real:  # a hand may still be on the button
        bench.person.choose('    The robot will MOVE again. Enter when clear > ', 'the resume')
    bench.leave_stop()
    away = np.where(bench.moving, bench.here() + 0.25 * _signed(bench), bench.home)
    since_ns = bench.now_ns()
    bench.start(Plan([Rest(away, SILENT_S)]))
    bench.until(SILENT_S)
    record = bench.record(since_ns - NS)
    ramp = SLOWEST_SHARE + (1 - SLOWEST_SHARE) * (RESUME_LOOK_S + 0.05) / RAMP_S
    commands = [c.sample for c in record.commands]
    measured = bench.measured(record)
    return judge_resume(bench.spec, commands, measured, since_ns, ramp, RESUME_LOOK_S)


# The robot's own signals


def safety_topics(bench: Bench) -> Findings:
    """One of the robot's safety topics forbids motion."""
    topics = [t for t in bench.spec.safety_topics if t.topic not in bench.left_out]
    if not topics:
        raise Skipped(_why_no_topics(bench))
    bench.may_go(bench.speed)
    found = bench.interrupt(lambda: _protective_stop(bench), Mode.STOPPED)
    named = any(topic.topic in found.state.reason for topic in topics)
    absent = [t.name for t in bench.spec.safety_topics if t.topic in bench.left_out]
    notes = tuple(f'{name} was not tried: its messages are not installed' for name in absent)
    parts = {
        '': stopped(bench, found, 'after the robot said so'),
        'the reason': Findings((holds('names the topic', named, found.state.reason),), {}, notes),
        'reset meanwhile': _refused(bench),
    }
    _clear(bench)
    parts['after the reset'] = resume(bench)
    return together(parts)


def _why_no_topics(bench: Bench) -> str:
    if not bench.spec.safety_topics:
        return 'the robot YAML names no safety topic'
    return f'their messages are not installed: {next(iter(bench.left_out.values()))}'


def _protective_stop(bench: Bench) -> int:
    if bench.real:
        return _by_hand(bench, 'press the enabling device or the user stop of the robot')
    asked_ns = bench.now_ns()
    bench.rig.fault('protective_stop')
    bench.rig.until(lambda: bench.signals.forbade_ns(asked_ns) is not None, SILENT_S)
    said_ns = bench.signals.forbade_ns(asked_ns)
    if said_ns is None:
        raise GenError('no safety topic forbids motion while the robot is in protective stop')
    return said_ns


def _clear(bench: Bench) -> None:
    if bench.real:
        bench.person.does(
            "clear the stop by the robot's own means", lambda: not bench.rig.try_reset()
        )
    else:
        bench.rig.fault('none')
        bench.rig.wait(0.3)


# Sensors


def sensors(bench: Bench) -> Findings:
    """Joint states fall silent, a camera shows nothing new."""
    bench.may_go(bench.speed)
    within_s = bench.spec.state.timeout_s + REACTION_S
    parts = {
        'joint states': _blind(
            bench, lambda: _no_states(bench), AFTER_LAST, within_s, STATES, False
        )
    }
    cameras = [s for s in bench.spec.streams.values() if s.type == 'camera' and s.required]
    camera = cameras[0] if cameras else None
    notes: tuple[str, ...] = ()
    if camera is None:
        notes = ('no camera is required by the robot YAML: a frozen one holds nobody up',)
    else:
        parts[f"camera '{camera.name}'"] = _camera(bench, camera.name)
    return _with_notes(together(parts), notes)


def _blind(
    bench: Bench, cause: Callable[[], int], since: str, within_s: float, word: str, seen: bool
) -> Findings:
    """Hold or stop; only what was commanded is judged. seen: joint states came meanwhile."""
    bench.prepare()
    found = bench.interrupt(cause, Mode.HOLDING, Mode.STOPPED)
    judged = stopped(bench, found, since, within_s)
    named = holds('the reason names it', word in found.state.reason, found.state.reason)
    checks = (judged.checks[0], named, *(c for c in judged.checks if c.what in COMMANDED))
    figures = {k: v for k, v in judged.figures.items() if seen or k not in UNSEEN}
    return Findings(checks, figures, judged.notes, judged.traces)


def _no_states(bench: Bench) -> int:
    """No joint states for a while; the stamp of the last one before [ns]."""
    began_ns = bench.now_ns()
    name = next(n for n, s in bench.spec.streams.items() if s.type == 'joint_states')
    if bench.real:
        _by_hand(bench, 'unplug the network of the robot for a second, then plug it in again')
        bench.puppet.stop()
    else:
        _fault_until(bench, f'silent {name}')
    noticed_ns = bench.wait_for(began_ns, Mode.HOLDING, Mode.STOPPED).since_ns
    known = bench.record(began_ns - NS).measured
    return max(m.sample.capture_ns for m in known if m.sample.capture_ns <= noticed_ns)


def _fault_until(bench: Bench, fault: str) -> int:
    """Break it until the controller has noticed and would take no old chunk any more; when it was
    broken [ns].
    """
    caused_ns = bench.now_ns()
    bench.rig.fault(fault)
    noticed = bench.rig.until(lambda: bench.rig.in_mode(Mode.HOLDING, Mode.STOPPED), NOTICED_S)
    bench.puppet.stop()
    bench.rig.wait(bench.spec.control.chunk_timeout_s + LATER_S)
    bench.rig.fault('none')
    bench.rig.wait(LATER_S)
    if not noticed:
        raise GenError(f"the controller does not notice '{fault}' within {NOTICED_S:g} s")
    return caused_ns


def _camera(bench: Bench, name: str) -> Findings:
    """Frozen on the emulator; covered by the person on a real robot."""

    def cause() -> int:
        if bench.real:
            return _by_hand(bench, f"cover the camera '{name}' with a hand, then uncover it")
        return _fault_until(bench, f'frozen {name}')

    within_s = bench.spec.streams[name].timeout_s + CAMERA_S
    return _blind(bench, cause, 'after it froze', within_s, f"'{name}'", True)
