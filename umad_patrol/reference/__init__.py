"""The reference map: its folder on disk, teaching it, and finding the keyframe that sees the same scene."""
