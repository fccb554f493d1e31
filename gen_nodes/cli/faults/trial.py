"""One fault from order to order: settle, inject, listen, mend, resume, judge."""

from __future__ import annotations

import time

from gen_nodes.cli.faults.bench import CONTROLLER, Bench
from gen_nodes.cli.faults.deeds import DEEDS
from gen_nodes.errors import GenError
from gen_nodes.hil.faults.catalogue import Ending, Fault
from gen_nodes.hil.faults.judge import judge
from gen_nodes.hil.faults.trial import NAMED_S, Moments, Row, first_naming
from gen_nodes.types import Mode

BEFORE_NS = 1_000_000_000  # of what is kept from before the cause
LISTEN_S = 4.0  # for the end of the motion and its name
STAND_S = 0.35  # then, to see that nothing follows
CLEAN_S = 0.7  # of motion after a fault that must not end it
RESUME_S = 20.0  # nodes that were restarted warm up
FIRST_S = 0.2  # of motion after the resume
REFUSED_S = 2.0


def try_fault(bench: Bench, fault: Fault) -> Row:
    """Inject a fault and judge what comes of it. What keeps it from its end is in the row."""
    refusal, trouble, mended_ns = None, '', 0
    reset_ns = None
    bench.begin()
    try:
        bench.settle(fault.words)
        bench.mark()
        with DEEDS[fault.name](bench):
            listen(bench, fault)
            if fault.refuses and bench.rig.in_mode(Mode.STOPPED):
                refusal = refused(bench)
            mended_ns = time.time_ns()
        reset_ns = resume(bench, fault)
    except GenError as error:
        trouble = str(error)
    end_ns = time.time_ns()
    moments = Moments(
        bench.cause_ns,
        mended_ns or end_ns,
        end_ns,
        reset_ns,
        bench.step_ns,
        refusal,
        bench.gone_ns,
        bench.began_ns,
        bench.fresh,
        trouble,
    )
    first_ns = min(bench.cause_ns, bench.began_ns or bench.cause_ns)
    return judge(fault, bench.body, moments, bench.rig.record(first_ns - BEFORE_NS))


def listen(bench: Bench, fault: Fault) -> None:
    """Until the fault has had its effect and its name, and for as long as it must last."""
    began = time.monotonic()
    since_ns = bench.cause_ns
    named = not fault.words

    def seen() -> bool:
        nonlocal named
        done = had_effect(bench, fault)
        named = named or first_naming(fault.words, bench.rig.ear.complaints(since_ns)) is not None
        return named and done

    if fault.ending == Ending.RUNNING:
        bench.until(lambda: time.monotonic() - began >= fault.lasts_s, fault.lasts_s + 1.0)
        bench.until(seen, max(0.0, NAMED_S + 0.2 - fault.lasts_s) if fault.words else 0.0)
        return
    bench.until(seen, max(LISTEN_S, fault.lasts_s))
    bench.rig.wait(max(STAND_S, fault.lasts_s - (time.monotonic() - began)))


def had_effect(bench: Bench, fault: Fault) -> bool:
    """Whether the motion has come to the end that was to be expected, or a graver one."""
    if fault.ending == Ending.SILENT:
        if bench.gone_ns is None and CONTROLLER not in bench.rig.graph.pids():
            bench.gone_ns = time.time_ns()
        return bench.gone_ns is not None and time.time_ns() - bench.gone_ns > 1e9
    if fault.ending == Ending.WAITING:
        return bench.rig.in_mode(Mode.WAITING)
    return fault.ending == Ending.RUNNING or (bench.ended() and bench.rests())


def refused(bench: Bench) -> str:
    """What a reset is answered; braking is no reason that lasts."""
    end = time.monotonic() + REFUSED_S
    answer = bench.rig.try_reset()
    while 'still braking' in answer and time.monotonic() < end:
        bench.rig.wait(0.1)
        answer = bench.rig.try_reset()
    return answer


def resume(bench: Bench, fault: Fault) -> int | None:
    """Motion again, after a reset where it takes one; the instant of the reset [ns]."""
    if fault.ending == Ending.RUNNING:
        bench.rig.wait(CLEAN_S)
        return None
    reset_ns = None
    bench.rig.wait(STAND_S)
    if bench.rig.in_mode(Mode.STOPPED):
        reset_ns = bench.release()
    bench.sure(lambda: bench.rig.in_mode(Mode.RUNNING), RESUME_S, 'it does not go on')
    bench.rig.wait(FIRST_S)
    return reset_ns
