"""The subcommands of `fleetmark`: a module for each."""
