"""From recorded events to the row of a fault."""

from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.hil.faults.catalogue import Ending, Fault
from gen_nodes.hil.faults.judge import judge
from gen_nodes.hil.faults.trial import Body, Moments
from gen_nodes.hil.record import Beat, Command, Measured, Record, Remark, Sent, Word
from gen_nodes.types import NS, CommandSample, ControllerState, JointSample, Mode

MS = NS // 1000
PERIOD_MS = 10
BODY = Body(('a', 'b'), PERIOD_MS / 1000, np.array([1.0, 1.0]))
CAUSE_MS, NOTICED_MS, REST_MS, MENDED_MS, RESET_MS, END_MS = 1000, 1200, 1300, 2000, 2300, 3000
MOMENTS = Moments(CAUSE_MS * MS, MENDED_MS * MS, END_MS * MS)
STOP = Fault('f', 'what', 'who', Ending.STOPPED, ('why',))
HOLD = replace(STOP, ending=Ending.HOLDING)
GO_ON = replace(STOP, ending=Ending.RUNNING, words=())
WAIT = replace(STOP, ending=Ending.WAITING)
DIE = replace(STOP, ending=Ending.SILENT)


def command(ms: int, q: float, rate: float, sequence: int = 0, shift_ns: int = 0) -> Command:
    values, rates = np.full(2, q), np.full(2, rate)
    stamp_ns = ms * MS + shift_ns
    sample = CommandSample(
        'executed', stamp_ns, stamp_ns, sequence, 'position', BODY.names, values, rates
    )
    return Command(ms * MS + MS, sample)


def word(ms: int, mode: Mode, since_ms: int = 0, shift_ns: int = 0) -> Word:
    stamp_ns, since_ns = ms * MS + shift_ns, (since_ms or ms) * MS + shift_ns
    state = ControllerState(stamp_ns, mode, 'why', '', 0, 0, 0, 0, 0, 0, since_ns)
    return Word(ms * MS + MS, state)


def remark(
    ms: int, cause: str = 'this is Why', level: int = 2, node: str = 'data_recorder'
) -> Remark:
    return Remark(ms * MS, node, 'component', level, cause, 'do this')


def measured(ms: int, q: float) -> Measured:
    values = np.full(2, q)
    return Measured(ms * MS, JointSample('s', ms * MS, ms * MS, BODY.names, values, values, values))


def running(first_ms: int, last_ms: int, q: float = 0.0) -> list[Command]:
    times = range(first_ms, last_ms, PERIOD_MS)
    return [command(ms, q + 1e-3 * place, 0.1, 7) for place, ms in enumerate(times)]


def braking(first_ms: int = NOTICED_MS + PERIOD_MS, shift_ns: int = 0) -> list[Command]:
    times = list(range(first_ms, REST_MS, PERIOD_MS))
    moving = [command(ms, 0.1 - 1e-4 * ms, 0.05, 0, shift_ns) for ms in times]
    return [*moving, command(REST_MS, 0.1 - 1e-4 * times[-1], 0.0, 0, shift_ns)]


def stopped(extra: tuple = (), resume_q: float = 0.5, reset_ms: int = RESET_MS) -> Record:
    return Record(
        commands=(
            *running(500, NOTICED_MS),
            *braking(),
            *extra,
            *running(reset_ms + 50, END_MS, 0.5),
        ),
        words=(
            word(500, Mode.RUNNING),
            word(NOTICED_MS, Mode.STOPPED),
            word(RESET_MS + 40, Mode.RUNNING),
        ),
        remarks=(remark(700), remark(1250, 'something else'), remark(1400)),
        measured=tuple(measured(ms, resume_q) for ms in range(500, END_MS, 10)),
    )


RESET = replace(MOMENTS, reset_ns=RESET_MS * MS)


def test_a_stop_in_time_that_is_named_and_left_as_it_must_be_is_ok():
    row = judge(STOP, BODY, RESET, stopped())
    assert row.ok and not row.note
    assert (row.detected_s, row.stopped_s, row.periods_to_stop) == (0.2, 0.3, 1.0)
    assert (row.commands_after_stop, row.diagnosed_s) == (0, 0.4)
    assert row.resume_jump_rad == 0.0
    assert (row.mode, row.reason, row.cause) == (
        'STOPPED',
        'why',
        'data_recorder: component: this is Why',
    )


def test_detection_is_when_the_cause_was_noticed_not_when_it_was_told():
    record = stopped()
    told_late = replace(record, words=(record.words[0], word(1220, Mode.STOPPED, NOTICED_MS)))
    assert judge(STOP, BODY, RESET, told_late).detected_s == 0.2


def test_a_command_between_rest_and_reset_is_counted_and_not_ok():
    late = (command(1500, 0.0, 0.0),)
    row = judge(STOP, BODY, RESET, stopped(late))
    assert not row.ok and row.commands_after_stop == 1 and '1 commands after' in row.note


def test_a_message_to_the_driver_after_a_stop_counts_unless_somebody_else_sends_there():
    sent = (Sent(1500 * MS, '/driver/commands', np.zeros(2)),)
    row = judge(STOP, BODY, RESET, replace(stopped(), sent=sent))
    assert not row.ok and row.commands_after_stop == 1
    assert judge(replace(STOP, foreign=True), BODY, RESET, replace(stopped(), sent=sent)).ok


def test_braking_three_periods_after_the_notice_is_not_ok():
    record = stopped()
    slow = [c for c in record.commands if not NOTICED_MS * MS <= c.arrival_ns < 1230 * MS]
    row = judge(STOP, BODY, RESET, replace(record, commands=tuple(slow)))
    assert not row.ok and row.periods_to_stop == 3.0


def test_a_motion_that_is_never_braked_to_rest_is_not_ok():
    record = stopped()
    cut = tuple(c for c in record.commands if c.arrival_ns < 1250 * MS)
    row = judge(STOP, BODY, RESET, replace(record, commands=cut))
    assert row.stopped_s is None and 'never commanded to rest' in row.note


def test_a_motion_that_goes_on_is_not_ok():
    record = replace(stopped(), words=(word(500, Mode.RUNNING),))
    assert 'the motion went on' in judge(STOP, BODY, RESET, record).note


def test_a_controller_that_says_stopped_and_follows_chunks_is_not_ok():
    record = stopped()
    following = replace(record, commands=tuple(running(500, END_MS)))
    row = judge(STOP, BODY, RESET, following)
    assert not row.ok and row.commands_after_stop > 50
    back = tuple(running(1400, 1900))
    row = judge(STOP, BODY, RESET, stopped(back))
    assert not row.ok and row.commands_after_stop == 50


def test_a_controller_that_falls_silent_at_full_speed_is_not_ok():
    record = stopped()
    silent = [c for c in record.commands if not NOTICED_MS * MS <= c.arrival_ns < RESET_MS * MS]
    row = judge(STOP, BODY, RESET, replace(record, commands=tuple(silent)))
    assert not row.ok and 'fell silent while it moved' in row.note


def test_commands_that_cease_are_no_motion_that_goes_on():
    record = Record(commands=tuple(running(500, 1020)), words=(word(500, Mode.RUNNING),))
    assert 'ceased' in judge(GO_ON, BODY, MOMENTS, record).note


def test_the_other_mode_is_not_ok():
    assert 'STOPPED where HOLDING' in judge(HOLD, BODY, RESET, stopped()).note


@pytest.mark.parametrize(
    ('remarks', 'note'),
    [((remark(700),), 'no diagnostic says why'), ((remark(2600),), 'named after 1.60 s only')],
)
def test_a_name_before_the_cause_or_too_late_is_not_ok(remarks, note):
    row = judge(STOP, BODY, RESET, replace(stopped(), remarks=remarks))
    assert not row.ok and note in row.note


def test_what_the_emulator_says_of_its_own_fault_names_nothing():
    told = replace(stopped(), remarks=(remark(1400, node='robot_emulator'),))
    assert 'no diagnostic says why' in judge(STOP, BODY, RESET, told).note


def test_a_resume_away_from_what_is_measured_is_not_ok():
    row = judge(STOP, BODY, RESET, stopped(resume_q=0.49))
    assert not row.ok and row.resume_jump_rad == 0.01


def test_a_stop_that_was_not_reset_and_a_reset_that_was_not_refused_are_not_ok():
    assert 'not reset' in judge(STOP, BODY, MOMENTS, stopped()).note
    refusing = replace(STOP, refuses=True)
    assert judge(refusing, BODY, replace(RESET, refusal='no'), stopped()).ok
    granted = judge(refusing, BODY, replace(RESET, refusal=''), stopped())
    assert 'granted while the cause lasted' in granted.note


def test_what_kept_the_trial_from_its_end_is_told():
    row = judge(STOP, BODY, replace(RESET, trouble='node x is gone'), stopped())
    assert not row.ok and 'node x is gone' in row.note


def test_a_trial_that_never_came_to_its_cause_has_no_figures_and_is_not_ok():
    row = judge(STOP, BODY, Moments(0, 0, 0, trouble='it does not move'), Record())
    assert not row.ok and row.detected_s is None and row.note == 'it does not move'


def holding(moves: float = 0.0) -> Record:
    stand = braking()[-1].sample.values[0]
    repeats = [command(ms, stand + moves, 0.0) for ms in range(1310, MENDED_MS + 100, 10)]
    return replace(
        stopped(tuple(repeats), resume_q=0.5, reset_ms=MENDED_MS + 60),
        words=(word(NOTICED_MS, Mode.HOLDING), word(MENDED_MS + 100, Mode.RUNNING)),
    )


def test_a_hold_may_repeat_its_position_but_not_move():
    good = judge(HOLD, BODY, MOMENTS, holding())
    assert good.ok and good.commands_after_stop == 0 and good.stopped_s == 0.31  # first repeat
    assert not judge(HOLD, BODY, MOMENTS, drifting()).ok


@pytest.mark.parametrize(
    ('back_ms', 'begins_at', 'note'),
    [
        (MENDED_MS + 50, 0.5, ''),
        (MENDED_MS + 50, 0.502, 'resumed 0.002 rad away from where it stood'),
        (MENDED_MS - 200, 0.5, 'went on while the cause lasted'),
    ],
)
def test_a_resume_is_judged_where_it_begins_and_may_not_come_too_early(back_ms, begins_at, note):
    record = holding()
    early = [c for c in record.commands if c.arrival_ns < back_ms * MS and not c.sample.sequence]
    record = replace(
        record,
        commands=(*running(500, NOTICED_MS), *early, *running(back_ms, END_MS, begins_at)),
        words=(
            word(NOTICED_MS, Mode.HOLDING),
            word(MENDED_MS + 300, Mode.RUNNING, back_ms),  # said again, twice a second
        ),
    )
    row = judge(HOLD, BODY, MOMENTS, record)
    assert (row.ok, row.note) == (not note, note)
    assert row.resume_jump_rad == pytest.approx(begins_at - 0.5)


def drifting() -> Record:
    record = holding()
    late = command(1800, 0.3, 0.2)
    commands = sorted((*record.commands, late), key=lambda c: c.arrival_ns)
    return replace(record, commands=tuple(commands))


def test_stamps_of_a_clock_that_was_stepped_are_read_on_ours():
    by_ns = 10 * NS
    record = stopped()
    shifted = [
        replace(c, sample=replace(c.sample, capture_ns=c.sample.capture_ns + by_ns))
        if c.arrival_ns > CAUSE_MS * MS
        else c
        for c in record.commands
    ]
    words = (record.words[0], word(NOTICED_MS, Mode.STOPPED, 0, by_ns), record.words[2])
    moments = replace(RESET, step_ns=by_ns)
    row = judge(STOP, BODY, moments, replace(record, commands=tuple(shifted), words=words))
    assert row.ok and (row.detected_s, row.stopped_s) == (0.2, 0.3)


def test_a_harmless_fault_must_neither_stop_nor_jump():
    smooth = Record(commands=tuple(running(500, END_MS)), words=(word(500, Mode.RUNNING),))
    assert judge(GO_ON, BODY, MOMENTS, smooth).ok
    held = replace(smooth, words=(word(NOTICED_MS, Mode.HOLDING),))
    assert 'the motion was ended' in judge(GO_ON, BODY, MOMENTS, held).note
    jump = replace(smooth, commands=(*running(500, 1500), *running(1500, END_MS, 0.3)))
    assert 'jumped' in judge(GO_ON, BODY, MOMENTS, jump).note


def test_nothing_may_be_commanded_while_the_controller_waits():
    record = replace(
        stopped(),
        commands=tuple(running(MENDED_MS + 50, END_MS, 0.5)),
        words=(word(1100, Mode.WAITING), word(MENDED_MS + 40, Mode.RUNNING)),
    )
    assert judge(WAIT, BODY, MOMENTS, record).ok
    early = replace(record, commands=(command(1500, 0.5, 0.0, 7), *record.commands))
    row = judge(WAIT, BODY, MOMENTS, early)
    assert not row.ok and row.commands_after_stop == 1


def gone(coast_until_ms: int) -> Record:
    beats = [Beat(ms * MS, 'embodiment_controller', True, '') for ms in range(0, CAUSE_MS, 100)]
    rests = [measured(ms, min(ms, coast_until_ms) / 1000) for ms in range(500, MENDED_MS, 10)]
    after = [measured(ms, 0.5) for ms in range(MENDED_MS, END_MS, 10)]
    return Record(
        commands=(*running(500, CAUSE_MS), *running(MENDED_MS + 500, END_MS, 0.5)),
        words=(word(500, Mode.RUNNING), word(MENDED_MS + 400, Mode.RUNNING)),
        remarks=(remark(1700),),
        measured=(*rests, *after),
        beats=tuple(beats),
    )


def test_a_controller_that_is_gone_is_noticed_by_its_silence_and_the_robot_stands():
    row = judge(DIE, BODY, MOMENTS, gone(1200))
    assert row.ok and row.mode == 'SILENT'
    assert (row.detected_s, row.commands_after_stop) == (0.7, 0)
    assert row.periods_to_stop is None
    assert row.stopped_s == pytest.approx(0.2, abs=0.01)


def test_a_command_of_a_dead_controller_or_a_robot_that_moves_on_is_not_ok():
    assert 'moved on' in judge(DIE, BODY, MOMENTS, gone(MENDED_MS)).note
    record = gone(1200)
    late = replace(record, commands=(*record.commands, command(1500, 0, 0, 7)))
    assert judge(DIE, BODY, MOMENTS, late).commands_after_stop == 1
