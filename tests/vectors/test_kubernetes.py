"""What a kube-apiserver answered (kubernetes/*.json) is what this server answers.

Where it does not yet, kubernetes_known.json says how; `python -m tests.vectors.upstream`
writes that list anew. From its first difference on, a script is not compared.
"""

from __future__ import annotations

import pytest

from tests.fix_inside import Inside
from tests.vectors.upstream import KNOWN, SUBJECTS, differences


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_answers_are_those_of_a_kube_apiserver(subject: str, inside: Inside) -> None:
    wrong = [
        f"{label}: {why}" for label, why in await differences(inside, subject) if label not in KNOWN
    ]
    assert not wrong, "\n".join(wrong)
