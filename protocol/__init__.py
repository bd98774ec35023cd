"""What travels between the integrator, the agents and the FTP server, and how it travels.

The three programs share this package and nothing else. It is kept free of imports at package level, because
the measuring process is started through it and must stay small.
"""
