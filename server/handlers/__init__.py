"""One module per API key, each exposing handle."""
