"""What every other room builds on: types, errors, clock, text, files, SQLite, settings, YAML."""
