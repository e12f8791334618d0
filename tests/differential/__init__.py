"""Asks two servers the same and compares what they answer: kcpfast against a kube-apiserver.

    script      requests in order, as values and as data
    nearly      valid objects, and what makes them nearly valid
    custom      random CustomResourceDefinitions, and objects for them
    generate    a script for a seed
    sides       sends a script to a server
    normalise   what differs from run to run, masked
    judge       what kind of difference two answers have
    shrink      the smallest script that shows a difference

`make differential A=KUBECONFIG B=KUBECONFIG` compares; with `RECORD=FOLDER` what A answered is
kept there as data, which tests/vectors/test_kubernetes.py replays.
"""
