"""Shortcuts: cues that give an answer away, the guards against them, and what shows when one is switched off.

    guards.py                    the guards, each with the task's options that switch it off and on
    ceilings.py                  how many right answers are possible at best, before any training
    cues.py detecting.py         numbers that say nothing but a cue, and a classifier that gets them alone
    alone.py                     what was found of a cue alone, kept
    pairs.py worth.py            two short runs, with the guard and without, and what they come to

Nothing here imports torch before something is computed: the page reads what there is.
"""

from sslviz.shortcuts.guards import GUARDS, OFF, STRENGTHS, Guard, guard_named

__all__ = ["GUARDS", "OFF", "STRENGTHS", "Guard", "guard_named"]
