"""The person beside the robot: is told what comes, says go, skip or quit, does what only a person
can do.
"""

from __future__ import annotations

import select
import sys
import termios
from collections.abc import Callable
from typing import TextIO

from gen_nodes.errors import GenError
from gen_nodes.hil.acceptance.results import Result
from gen_nodes.hil.acceptance.steps import Step

FOREVER_S = 3600.0

Until = Callable[[Callable[[], bool], float], bool]  # hears until a condition holds


class Quit(GenError):
    """The person wants everything to stop."""


class Skipped(GenError):
    """The person leaves something out; the message says what."""


class Person:
    """asks: on a real robot; else everything is announced and nothing asked.

    until: keeps the stack alive while the person thinks; set it once there is a stack. keys: where
    the answers come from.
    """

    def __init__(self, asks: bool, say: Callable[[str], None], keys: TextIO | None = None) -> None:
        self.asks, self.say = asks, say
        self.until: Until | None = None
        self._keys = keys or sys.stdin

    def announce(self, step: Step, number: int, of: int) -> None:
        """What comes next; on a real robot only once the person agrees. Raises Skipped, Quit."""
        self.say(f'\n[{number}/{of}] {step.name}: {step.title}')
        self.say(f'    {step.does}')
        if self.asks:
            moves = 'The robot will MOVE. ' if step.moves else ''
            self.choose(f"    {moves}Enter: go on, 's': skip this step, 'q': quit > ", step.name)

    def choose(self, question: str, what: str, ahead: bool = False) -> None:
        """Enter goes on. Raises Skipped at 's', Quit at 'q'; asks again at anything else.

        ahead: what was typed before the question counts too.
        """
        while True:
            answer = self.answer(question, ahead).lower()
            ahead = False
            if answer == '':
                return
            if answer == 's':
                raise Skipped(f'{what} was left out by the person')
            if answer == 'q':
                raise Quit('the person quit')

    def answer(self, question: str, ahead: bool = False) -> str:
        """A line that the person types; 'q' where nobody can any more."""
        if not ahead and self._keys.isatty():  # an Enter from before agrees to nothing
            termios.tcflush(self._keys, termios.TCIFLUSH)
        print(question, end='', flush=True)
        if self.until is not None:
            self.until(self._typed, FOREVER_S)
        line = self._keys.readline()
        return line.strip() if line else 'q'

    def does(self, what: str, condition: Callable[[], bool]) -> None:
        """Ask for something that only a person can do, and wait until it shows. Raises Skipped,
        Quit.
        """
        self.say(f"    NOW: {what} (Enter alone: look again, 's': leave this out, 'q': quit)")
        while not condition():
            self.until(lambda: condition() or self._typed(), FOREVER_S)
            if self._typed():
                self.choose('', what, ahead=True)

    def goes_on(self, result: Result) -> bool:
        """Whether the suite goes on after this result: only a failed safety step on a real robot
        asks, and the answer is no unless it is 'yes'.
        """
        if not (self.asks and result.failed and result.step.safety):
            return True
        self.say('    A safety step has failed. What comes next may not be safe.')
        return self.answer("    Type 'yes' to go on nevertheless > ") == 'yes'

    def _typed(self) -> bool:
        """Whether a line (or the end) waits."""
        return bool(select.select([self._keys], [], [], 0)[0])
