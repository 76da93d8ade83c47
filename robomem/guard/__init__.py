"""Which memories may steer the robot.

guard      the guard of a memory                       start here
rules      the rules that a claim is judged by
sources    who is believed, and how far
witness    what the robot perceived of a claim
consensus  what others said of it
signs      signs of an injection
reading    a text to what it states
words      words made comparable
lessons    what went wrong
"""

from robomem.guard.guard import Guard

__all__ = ["Guard"]
