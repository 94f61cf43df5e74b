"""One module per command, named after the tool."""
