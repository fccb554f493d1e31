import io

from gen_nodes.cli import progress
from gen_nodes.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_present_replaces_itself_and_what_is_said_stays(monkeypatch):
    monkeypatch.setattr(progress, 'REFRESH_S', 0.0)
    terminal = Terminal()
    shown = Progress(terminal)
    shown.show('episode 1 of many')
    shown.show('episode 2')
    shown.say('done')
    assert terminal.getvalue().split('\r')[2] == 'episode 2        '
    assert terminal.getvalue().endswith('\rdone\n')


def test_elsewhere_only_some_lines_are_written():
    stream = io.StringIO()
    shown = Progress(stream)
    for _ in range(100):
        shown.show('present')
    shown.say('done')
    assert stream.getvalue() == 'done\n'
