"""The fast path: a pipelined producer and fetcher on raw sockets."""
