"""The transaction coordinator: what it decides, and what its log says. Pure."""
