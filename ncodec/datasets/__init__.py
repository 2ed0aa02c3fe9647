"""Pictures and sounds on disk, turned into crops and segments for training."""
