"""The imperative shell: holds cores, logs and peers; does what effects say."""
