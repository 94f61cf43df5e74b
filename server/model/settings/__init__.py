"""Settings of topics, nodes, groups and client metrics: what they are called, what they take, what they are for.

Take what you need from its own module (`topic`, `broker`, `effective` ...): the tables of a node are long, and kcli
reads only the short one.
"""
