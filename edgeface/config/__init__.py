"""config.yaml as one frozen object, loaded and checked."""
