"""The command line: `kcpfast COMMAND`, and the kubectl plugins by their names.

`commands` has a row for each command and imports its file only when it is asked for; `arguments`
has a row for each flag. `ws/` are the commands about workspaces, `kcp/` those about APIs, and
`client/` is what they need of a client: the kubeconfig and a session with the server. Only `start`
may import the server: `kubectl ws .` stands in people's shell prompts and must be done at once.
"""
