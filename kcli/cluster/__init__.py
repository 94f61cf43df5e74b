"""Local servers as processes: how one is started, recognised, watched and stopped; clusters of them in a folder.

A process is known by its pid and the time at which it started, so that nothing else is ever touched, even when the
system has given the pid to another. `local` has clusters, `servers` those that `kcli server-start` started.
"""
