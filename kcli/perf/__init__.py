"""Measured runs: what the performance tools share, above the pipeline.

payloads     what records hold
producing    one process that writes, measured
processes    several that write
consuming    one process that reads, measured
echoing      one record after the other, there and back
mixing       one process that writes and reads at once
progress     what a run says while it lasts
machine      the machine and the versions behind a figure
results      a run as JSON
"""
