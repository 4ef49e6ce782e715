"""Rigid motions, trajectories, camera models, homographies and planes: numpy and OpenCV only."""
