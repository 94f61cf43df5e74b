"""JSON Schemas of every document that users hand us and of --output json."""
