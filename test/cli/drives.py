"""Short recordings of a drive along a wall, with or without a box that is new."""

import cv2
import numpy as np

TOPICS = ["--set", "input.image_topic=/image", "--set", "input.camera_info_topic=/info", "--set", "input.localization_topic=/odom",
          "--set", "input.cloud_topic=", "--set", "input.body_t_camera=0 0 0.5 -0.5 0.5 -0.5 0.5"]
SIZE = 320, 180


def picture(box=False):
    rng = np.random.default_rng(5)
    layers = [cv2.resize(rng.normal(size=(SIZE[1] // s + 2, SIZE[0] // s + 2, 3)), SIZE, interpolation=cv2.INTER_CUBIC) for s in (3, 9, 30)]
    image = np.clip(120 + 22 * sum(layers), 0, 255).astype(np.uint8)
    if box:
        cv2.rectangle(image, (150, 90), (180, 125), (20, 30, 220), cv2.FILLED)
    return image


def drive(messages, box, start=100.0, away=0.0, frame="map"):
    items = [("/info", start, messages.camera_info(start, *SIZE, 230.0))]
    items += [("/odom", start + t, messages.odometry(start + t, (away + 0.1 * t, 0, 0), frame=frame)) for t in np.arange(0, 3.1, 0.1)]
    items += [("/image", start + t, messages.jpeg(start + t, picture(box))) for t in np.arange(0.25, 2.9, 0.5)]
    return sorted(items, key=lambda item: item[1])
