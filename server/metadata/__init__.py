"""The cluster's metadata: records, image, delta, snapshot, and what the controller decides."""
