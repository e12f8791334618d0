"""Going to a workspace: what its name means, whether one may enter it, what is said of it.

The rules are those of kcp's `kubectl ws`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import Failure, RequestRefused
from kcpfast.cli.places import NOTE_HOME, ROOT, announce, place_of, resolve, spelled, split
from kcpfast.cli.ws import contexts

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session


def go(target: ServerTarget, word: str, *, short: bool = False) -> None:
    """Go to the workspace that a word means, and say so; Failure if it cannot be entered."""
    name, note = spelled(word, os.path.expanduser("~"), short=short)
    if note and note != NOTE_HOME:
        print(note, file=sys.stderr)
    if name == ".":
        print(announce(target.server, short=short), end="")
    elif name == "-":
        url = contexts.go_back(target.config, target.context)
        target.config.save()
        _warn_of_return(target, url)
        print(announce(url, short=short), end="")
    else:
        with connect(target) as session:
            _enter(session, target, name, short=short)
    if note == NOTE_HOME:
        print(note, file=sys.stderr)


def _enter(session: Session, target: ServerTarget, name: str, *, short: bool) -> None:
    contexts.cluster_of(target.config, contexts.context_of(target.config, target.context))
    if name == "~" or name.startswith("~:"):
        name = _home(session) + name[1:]
    here = target.start(name)
    path = resolve(here.path, name)
    kind = "" if name == ":" else _check(session, path)
    url = here.at(path).url
    contexts.enter(target.config, target.context, url)
    target.config.save()
    _warn(session, url)
    print(announce(url, kind, short=short), end="")


def _home(session: Session) -> str:
    from kcpfast.cli.client.workspaces import home  # noqa: PLC0415 - not for `ws .`

    place = home(session)
    if place is None:
        raise Failure("the server tells no home workspace")
    return f":{place.path}"


def _check(session: Session, path: str) -> str:
    """Return the type of a workspace that one may enter; Failure if one may not.

    That the parent does not know the workspace, or may not be asked, is no obstacle: only what
    the workspace itself answers is.
    """
    from kcpfast.cli.client import workspaces  # noqa: PLC0415 - not for `ws .`

    allowed = workspaces.enterable(session, path)
    if path == ROOT and allowed:
        return ROOT
    parent, name = split(path)
    missing, kind = False, ""
    if parent:
        try:
            kind = workspaces.kind_of(workspaces.get(session, parent, name))
        except RequestRefused as refused:
            missing = refused.code == 404
    if allowed:
        return kind
    if missing:
        raise Failure(f'workspace "{path}" not found')
    raise Failure(f'access to workspace "{path}" denied')


def _warn(session: Session, url: str) -> None:
    """Print which permission claims wait for an answer; trouble in finding out is only told."""
    from kcpfast.cli.client import bindings  # noqa: PLC0415 - not for `ws .`

    place = place_of(url)
    if place is None:
        return
    try:
        for line in bindings.unresolved(session, place.path):
            print(line, file=sys.stderr)
    except Failure as failure:
        _tell(failure)


def _warn_of_return(target: ServerTarget, url: str) -> None:
    """Print the same after the way back, unless that led to another server."""
    there, here = place_of(url), place_of(target.server)
    if there is None or here is None or there.base != here.base:
        return
    try:
        with connect(target) as session:
            _warn(session, url)
    except Failure as failure:
        _tell(failure)


def _tell(failure: Failure) -> None:
    print(f"error checking APIBindings: {failure}", file=sys.stderr)
