"""Recorded facts: what a real kcp answered, as data (kcp/), and what replays it.

    format      files, scripts and cases as values
    pointer     JSON pointers with a few extras
    normalise   what differs from run to run, masked
    views       the part of an answer that counts
    judge       recorded against answered
    replay      the requests of a script, in order, against a server
    known       the cases that fail today; the list only shrinks
    upstream    what a kube-apiserver answered (kubernetes/), sent to a server without sockets

`python -m tests.vectors KUBECONFIG [WORD]` replays by hand and prints the differences.
"""
