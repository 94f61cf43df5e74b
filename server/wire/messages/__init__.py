"""One module per API: request and response as the newest version has them. Generated."""
