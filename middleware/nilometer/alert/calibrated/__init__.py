"""The calibrated alerter: it compares windows with normal values, under one false-alarm budget.

It works in these stages, each in its own module:

1. `columns` selects the counts of a window that are judged.
2. `components` converts counts to a few numbers with a known sampling variance.
3. `baseline` learns the mean and the variance of these numbers from earlier windows.
4. `scores` computes how far a window is outside the tolerance, in standard deviations.
5. `evidence` adds up scores over windows, and compares them with the budget of the entity.
6. `episodes` opens and closes alarms.

All functions are pure: they take counts and a state, and return a new state and the changes.
"""
