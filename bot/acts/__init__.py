"""What people do to runs and workloads: asked about first where it is dangerous, done once after a yes."""
