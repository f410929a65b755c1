"""Commands that set a machine up: the first configuration, model files, the firewall."""
