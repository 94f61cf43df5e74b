"""Measured runs: what the performance tools share, above the pipeline.

payloads     what records hold
producing    one process that writes, measured
consuming    one process that reads, measured
machine      the machine and the versions behind a figure
results      a run as JSON
"""
