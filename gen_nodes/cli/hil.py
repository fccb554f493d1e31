"""gen hil: what proves the controller, in simulated time, with faults, and on a robot."""

from __future__ import annotations

HELP = 'prove the controller: hostile chunks, faults, the acceptance suite'
COMMANDS = {
    'hostile': 'hostile chunks through the controller; every command checked against the limits',
    'faults': 'one fault after another in the running stack: detected, stopped, named, left',
    'run': 'the acceptance suite: what to run before a new robot is trusted',
}
