"""The only place where seeds, paths, devices and concrete choices come together."""
