"""The calibrated alerter: deviation from what is normal, measured against one false-alarm budget.

The stages follow one another, and each is a module of its own:

1. `columns` picks the counts of a window that are judged.
2. `components` turns counts into a few numbers of known sampling variance.
3. `baseline` learns mean, variance and wander of these numbers from earlier windows.
4. `scores` says how far a window is beyond the tolerance, in standard deviations.
5. `evidence` adds scores up over windows, against the budget of the entity.
6. `episodes` opens and closes alarms.

All of it is pure: counts go in, states and changes come out.
"""
