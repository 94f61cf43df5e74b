"""Leader and follower of one partition as step cores; fetch sessions."""
