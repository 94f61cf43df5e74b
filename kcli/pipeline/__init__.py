"""The fast path: a pipelined producer and fetcher on raw sockets, for the console and performance tools.

It speaks the protocol with codecs of its own and imports neither the server nor kafka-python, so that each of the three
is a witness for the others. From the bottom up:

    wire, messages, produce, fetch      bytes <-> messages
    compression, checksum               what is inside a batch, and whether it is whole
    encoding, decoding, tally           records <-> batches; how much a batch holds
    isolation                           which batches may be seen
    link, topology, network             a connection; who leads what; the event loop over both
    outbox, partitioner, identity       order, numbers and retries of a partition (pure); where records go; producer ids
    producer                            sending
    fetcher, subscription               reading; which partitions to read
    settings, names, stopping           Kafka's client settings; ending in order when a signal comes
"""
