"""Ctrl-C while something must not be cut in two."""

import signal
from collections.abc import Iterator

import pytest

from gen_nodes.interrupts import interrupts_last, is_interrupt


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request) -> Iterator[int]:
    before = signal.signal(request.param, signal.default_int_handler)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_inside_the_block_interrupts_at_its_end(number):
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_last():
        signal.raise_signal(number)
        done.append('whole')
    assert done == ['whole']
    with interrupts_last():
        pass  # it has been told, once


def test_outside_a_block_it_raises_at_once(number):
    with interrupts_last():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_an_error_of_the_block_does_not_keep_it_back(number):
    with pytest.raises(KeyboardInterrupt) as raised, interrupts_last():
        signal.raise_signal(number)
        raise ValueError('mine')
    assert isinstance(raised.value.__context__, ValueError)
    with interrupts_last():
        pass


def test_an_inner_block_interrupts_too(number):
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_last():
        with interrupts_last():
            signal.raise_signal(number)
            done.append('inner')
        done.append('outer')
    assert done == ['inner']
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_other_handlers_are_left_alone(number):
    signal.signal(number, signal.SIG_IGN)
    with interrupts_last():
        signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    assert signal.getsignal(number) is signal.SIG_IGN


def test_what_the_block_raises_comes_out(number):
    with pytest.raises(ValueError, match='mine'), interrupts_last():
        raise ValueError('mine')


def test_an_interrupt_is_known_behind_another_error():
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as interrupt:
            raise TypeError('Unable to convert') from interrupt
    except TypeError as error:
        assert is_interrupt(error)
    assert not is_interrupt(TypeError('another')) and not is_interrupt(None)
