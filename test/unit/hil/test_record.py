"""What was heard can be asked for by time, mode and level."""

import numpy as np

from gen_nodes.hil.record import Measured, Record, Remark, Word
from gen_nodes.types import ControllerState, JointSample, Mode


def word(arrival_ns: int, mode: Mode) -> Word:
    return Word(arrival_ns, ControllerState(arrival_ns, mode, '', '', 0, 0, 0, 0, 0, 0))


def measured(arrival_ns: int, *position: float) -> Measured:
    q = np.array(position)
    return Measured(arrival_ns, JointSample('s', arrival_ns, arrival_ns, ('b', 'a'), q, q, q))


def test_modes_are_those_wanted_after_an_instant():
    record = Record(words=(word(1, Mode.STOPPED), word(5, Mode.RUNNING), word(9, Mode.HOLDING)))
    assert [w.arrival_ns for w in record.modes(2, Mode.HOLDING, Mode.STOPPED)] == [9]


def test_complaints_are_warnings_and_errors_and_their_text_holds_all_that_a_person_reads():
    remarks = [Remark(3, 'n', 'c', level, 'Cause', 'Step', {'k': 'V'}) for level in range(4)]
    found = list(Record(remarks=tuple(remarks)).complaints(0))
    assert [remark.level for remark in found] == [1, 2]
    assert found[0].text == 'n: c: cause step k v'


def test_the_position_at_an_instant_is_the_newest_known_then_in_the_order_asked_for():
    record = Record(measured=(measured(1, 0.1, 0.2), measured(5, 0.3, 0.4)))
    assert record.position_at(4, ('a', 'b')).tolist() == [0.2, 0.1]
    assert record.position_at(0, ('a', 'b')) is None
