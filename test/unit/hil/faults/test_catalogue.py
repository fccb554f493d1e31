"""The list of faults: each once, each with a doing, and what the robot lacks is left out."""

from gen_nodes.cli.faults.deeds import DEEDS
from gen_nodes.hil.faults.catalogue import FAULTS, Ending, possible
from gen_nodes.robot import load_robot


def test_there_are_at_least_forty_and_each_has_a_name_of_its_own_and_something_to_do():
    names = [fault.name for fault in FAULTS]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
    assert set(names) == set(DEEDS)


def test_every_fault_that_ends_the_motion_must_be_named():
    ending = (Ending.WAITING, Ending.HOLDING, Ending.STOPPED, Ending.SILENT)
    assert all(fault.words for fault in FAULTS if fault.ending in ending)
    assert all(word == word.lower() for fault in FAULTS for word in fault.words)


def test_a_robot_is_spared_what_it_has_not_and_stops_either_with_or_without_a_word():
    spec = load_robot('ur5e')
    for says, name in ((True, 'protective_stop'), (False, 'protective_stop_unsaid')):
        given = {fault.name for fault in FAULTS if possible(fault, spec, says)}
        assert given >= {'camera_black', 'policy_sigkill', 'wrench_nan', name}
        assert len(given) == len(FAULTS) - 1
