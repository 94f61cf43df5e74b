"""Record batches (magic 2): header view, checks, builder, control batches, compression."""
