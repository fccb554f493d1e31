from gen_nodes.hil.ledger import Ledger


def test_what_is_published_at_the_very_border_is_possible_but_not_certain():
    ledger = Ledger()
    for before, after in ((8, 9), (9, 11), (12, 13), (19, 21), (22, 23)):
        ledger.note('/a', before, after)
    assert ledger.between(10, 20) == {'/a': (1, 3)}


def test_topics_are_counted_apart_and_forgotten_on_request():
    ledger = Ledger()
    ledger.note('/a', 1, 2)
    ledger.note('/b', 1, 2)
    assert ledger.between(0, 5) == {'/a': (1, 1), '/b': (1, 1)}
    ledger.clear()
    assert ledger.between(0, 5) == {}
