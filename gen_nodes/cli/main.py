"""`gen COMMAND ...`: finds the command, reads its arguments, runs it, and says errors in one line.

A command is a module of `gen_nodes.cli` with

    HELP: str                              what it does, shown by `gen COMMAND --help`
    add_arguments(parser) -> None          argparse arguments
    run(args) -> int                       does it; the exit status, 0 only when what was asked for
    was done

or a group of commands, `gen GROUP COMMAND ...`: HELP and

    COMMANDS: dict                         name -> one line, each a module `GROUP_COMMAND`

A module is imported only when it is called, so that `gen --help` needs neither torch nor ROS.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NoReturn

from gen_nodes.errors import GenError, unknown_name
from gen_nodes.interrupts import is_interrupt

COMMANDS = {
    'demo': 'a robot does a task before your eyes, then a report explains how well',
    'up': 'start the stack for a robot, emulated or real, until Ctrl-C',
    'episode': 'begin or end an episode of a running stack',
    'eval': 'measure a checkpoint: many random episodes, success rates, latency',
    'collect': 'record episodes of an expert as bags, to train from',
    'train': 'train a policy from bags',
    'shadow': 'play a recorded bag through the stack with no robot commanded',
    'robot': 'list robots, check a description and draw it, begin a new one from a URDF',
    'hil': 'prove the controller: hostile chunks, faults, the acceptance suite',
}
HELP = 'Record physical interaction, train one policy from it, run it on any arm.'
FOOTER = 'gen python ARGS and gen exec COMMAND run anything in the same environment.'
INTERRUPTED = 130  # as a shell reports a process that SIGINT ended


class UsageError(GenError):
    """The command line cannot be read."""


class Parser(argparse.ArgumentParser):
    """argparse that raises one line instead of printing its usage and exiting."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see '{self.prog} --help')")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `gen` with `argv` (default: the process's). Returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = '--debug' in words
    try:
        return dispatch(words)
    except BrokenPipeError:  # the reader of our output has gone, e.g. `gen --help | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        if is_interrupt(error):
            print('gen: interrupted', file=sys.stderr)
            return INTERRUPTED
        if debug:
            traceback.print_exc()
        else:
            print(f'gen: {one_line(error)}', file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def dispatch(
    words: list[str], group: str = '', commands: Mapping[str, str] = COMMANDS, text: str = HELP
) -> int:
    """Run the command of `group` ('': of `gen` itself) that `words` name."""
    command = next((word for word in words if not word.startswith('-')), None)
    if command is None or words[0] in ('-h', '--help'):
        parser = overview(group, commands, text)
        parser.parse_args([word for word in words if word.startswith('-')])
        print(parser.format_help())
        return 0
    name = f'{group} {command}'.strip()
    if command not in commands:
        raise UsageError(str(unknown_name(f'{group} command'.strip(), command, commands)))
    words.remove(command)
    module = importlib.import_module(f'gen_nodes.cli.{name.replace(" ", "_")}')
    if hasattr(module, 'COMMANDS'):
        return dispatch(words, name, module.COMMANDS, module.HELP)
    return module.run(command_parser(name, module).parse_args(words))


def overview(group: str, commands: Mapping[str, str], text: str) -> Parser:
    """The parser behind `gen --help` and `gen GROUP --help`."""
    width = max(map(len, commands))
    listing = '\n'.join(f'  {name:{width}}  {line}' for name, line in commands.items())
    prog = f'gen {group}'.strip()
    parser = Parser(
        prog=prog,
        usage=f'{prog} COMMAND [ARGUMENTS]',
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f'{text}\n\ncommands:\n{listing}',
        epilog=f'{prog} COMMAND --help explains one.' + ('' if group else f'\n{FOOTER}'),
    )
    add_debug(parser)
    return parser


def command_parser(command: str, module: ModuleType) -> Parser:
    parser = Parser(
        prog=f'gen {command}',
        description=module.HELP,
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    module.add_arguments(parser)
    add_debug(parser)
    return parser


def add_debug(parser: Parser) -> None:
    parser.add_argument(
        '--debug',
        action='store_true',
        default=argparse.SUPPRESS,
        help='show where an error came from',
    )


def one_line(error: Exception) -> str:
    """An error as one line; one that is not ours is named, because it is a bug or the machine."""
    text = ' '.join(str(error).split())
    if isinstance(error, GenError):
        return text
    return f'{type(error).__name__}: {text} (--debug shows where)'


if __name__ == '__main__':
    sys.exit(main())
