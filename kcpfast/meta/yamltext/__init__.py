"""YAML as Kubernetes and its clients read and write it, for the server and for the command line.

The truth is sigs.k8s.io/yaml, which converts YAML to JSON by go.yaml.in/yaml/v2: an idea of YAML of
its own, between versions 1.1 and 1.2. `scalars` has its rules, `reader` builds values from
libyaml's events, `writer` writes what this reader and others read alike.
"""

# What aliases of one text may repeat of it, all together: values, and characters.
REPEATED_NODES, REPEATED_TEXT = 100_000, 1 << 20
