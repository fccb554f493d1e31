"""The page of faults: a line per fault, a column per robot, what was not met in bold."""

from gen_nodes.hil.faults.page import page

BARS = {'periods': 2.0, 'named': 1.5, 'jump': 1e-3}


def row(fault: str, ok: bool = True, **figures: float) -> dict:
    keys = ('detected_s', 'stopped_s', 'periods_to_stop', 'diagnosed_s', 'resume_jump_rad')
    nothing = dict.fromkeys(keys, None)
    return {
        **nothing,
        **figures,
        'fault': fault,
        'commands_after_stop': 0,
        'ok': ok,
        'note': '' if ok else 'a | b',
    }


def test_each_robot_has_its_cell_and_what_was_not_met_is_bold_with_its_reason():
    results = {
        'ur5e': [row('chunk_nan', detected_s=0.3, stopped_s=0.4, diagnosed_s=0.01)],
        'franka_fr3': [row('chunk_nan', ok=False, detected_s=1.0), row('estop_pressed')],
    }
    text = page(results, {'ur5e': 6, 'franka_fr3': 7}, BARS)
    lines = text.splitlines()
    nan, estop = (next(x for x in lines if f'`{f}`' in x) for f in ('chunk_nan', 'estop_pressed'))
    assert '| 0.30 / 0.40 / 0.01 | **1.00 / - / -: a / b** |' in nan
    assert estop.endswith('| - | - / - / - |')
    assert '| ur5e, 6 joints | 1 | 1 | 0.3 s |' in text
    assert '| franka_fr3, 7 joints | 2 | 1 | 1 s |' in text
    assert '`chunk_inf`' not in text
    assert './gen hil faults --table ur5e.json franka_fr3.json > docs/faults.md' in text
