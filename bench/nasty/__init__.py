"""Requests that cost a server much more than they cost who sends them: a catalogue by subject.

`bench.stall` sends them while somebody else waits. Each is legal to send for an administrator of a
workspace; whether it is answered or refused does not matter, only how long all others wait.
"""

from bench.nasty import (
    bodies,
    definitions,
    grants,
    objects,
    patches,
    reads,
    rules,
    spaces,
    stored,
)
from bench.nasty.shot import Nasty, Shot


def catalogue(only: str = "") -> list[Nasty]:
    """Return everything, in an order in which what is read has been made before.

    `only` is the name of one subject.
    """
    subjects = (objects, patches, bodies, rules, definitions, grants, spaces, stored, reads)
    return [
        row
        for subject in subjects
        for row in subject.LISTED
        if not only or subject.__name__.endswith(f".{only}")
    ]


def setup() -> list[Shot]:
    """Return what makes the kind that most of the catalogue is about."""
    return objects.things()
