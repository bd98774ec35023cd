"""Plans a campaign, fills the FTP server, starts agents, collects, merges and publishes."""
