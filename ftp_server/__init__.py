"""The FTP server between the integrator and the agents: TLS, an account per machine, nothing else."""
