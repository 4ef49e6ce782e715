"""Sun, sky and weather, and what the camera makes of the light: exposure, white balance, vignetting, noise, tone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from umad_patrol.simulate.texture import Texture


@dataclass(frozen=True)
class Light:
    """`azimuth_rad` is where the sun stands, from the map's x axis, `elevation_rad` how high.

    `cover` [0, 1] is the share of clouds (they dim the sun too), `gains` the camera's white balance (R, G, B),
    `exposure` its exposure in stops, `drift` shifts the clouds.
    """

    azimuth_rad: float
    elevation_rad: float
    cover: float
    gains: tuple[float, float, float]
    exposure: float
    drift: float

    @property
    def to_sun(self) -> np.ndarray:
        """Unit vector towards the sun, float32."""
        c = np.cos(self.elevation_rad)
        return np.array([c * np.cos(self.azimuth_rad), c * np.sin(self.azimuth_rad), np.sin(self.elevation_rad)], np.float32)

    @property
    def sun(self) -> np.ndarray:
        """What the sun gives a surface that faces it, linear RGB; warmer when low."""
        low = np.exp(-np.sin(self.elevation_rad) / 0.22)
        return (1.0 - 0.75 * self.cover**2) * np.array([2.5, 2.35 - 0.35 * low, 2.1 - 1.0 * low], np.float32)

    @property
    def sky(self) -> np.ndarray:
        """What the whole sky gives a surface that faces up, linear RGB; bluer when clear."""
        clear, grey = np.array([0.52, 0.58, 0.70], np.float32), np.array([0.85, 0.88, 0.92], np.float32)
        return clear + (grey - clear) * np.float32(self.cover)

    def sky_seen(self, direction: np.ndarray, clouds: Texture) -> np.ndarray:
        """Linear RGB `(3, N)` of the sky in unit directions `(3, N)`, clouds and the glow round the sun included."""
        up = np.clip(direction[2], 0, 1)
        fade, dome = (1 - up) ** 4, np.float32(1) / (up + np.float32(0.12))
        noise = clouds.sample(
            110 * dome * direction[0] + np.float32(self.drift),
            110 * dome * direction[1] + np.float32(0.4 * self.drift),
            2 * dome,
            2 * dome,
            np.full(len(up), 0.4, np.float32),
        )
        shape, shading = (noise[:, c] * np.float32(1 / 128) - np.float32(1) for c in (0, 1))
        share = np.clip((shape + np.float32(1.5 * self.cover - 0.7)) * 3, 0, 1)
        share = share * share * (3 - 2 * share)
        body = 1.25 + 0.5 * shading - np.float32(0.5 * self.cover) * np.clip(share - 0.4, 0, 1)
        near_sun = np.clip(direction[0] * self.to_sun[0] + direction[1] * self.to_sun[1] + direction[2] * self.to_sun[2], 0, 1)
        glow = np.float32(1.0 - 0.85 * self.cover) * (0.35 * near_sun**8 + 1.2 * near_sun**200 + 30.0 * (near_sun > 0.99996))
        out = np.empty_like(direction)
        for c, (zenith, horizon, warm, white) in enumerate(
            ((0.26, 0.95, 1.0, 1.0), (0.48, 1.02, 0.93, 1.0), (0.95, 1.1, 0.8, 1.02))
        ):
            blue = zenith + (horizon - zenith) * fade
            out[c] = blue + share * (body * white - blue) + glow * warm
        return out


def make_light(rng: np.random.Generator, azimuth_rad: float) -> Light:
    """A light of some hour and weather with the sun roughly at `azimuth_rad`."""
    gains = np.exp(rng.normal(0.0, [0.05, 0.012, 0.06]))
    return Light(
        float(azimuth_rad),
        float(np.radians(rng.uniform(26.0, 58.0))),
        float(rng.uniform(0.1, 0.65)),
        (float(gains[0]), float(gains[1]), float(gains[2])),
        float(rng.uniform(-0.25, 0.3)),
        float(rng.uniform(0, 1000)),
    )


def photograph(radiance: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """What the camera saves of linear RGB `(H, W, 3)` float32: `(H, W, 3)` uint8 BGR.

    The mean is exposed to a middle grey, as automatic exposure does, then lens, sensor and tone curve follow.
    """
    height, width = radiance.shape[:2]
    luma = radiance @ np.array([0.25, 0.6, 0.15], np.float32)
    gain = 0.2 / max(float(np.exp(np.mean(np.log(luma + 0.02)))), 1e-3) * 2.0**light.exposure
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(height / width)
    vignette = 1.0 - np.float32(0.22) * (x * x + y * y)
    signal = radiance * (vignette * np.float32(gain))[..., None] * np.array(light.gains, np.float32)
    signal = cv2.GaussianBlur(signal, (0, 0), 0.55)
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    signal += noise * np.sqrt(np.maximum(signal, 0) * np.float32(1.0e-4) + np.float32(4e-6))
    return cv2.cvtColor(_tone(signal), cv2.COLOR_RGB2BGR)


def _tone(signal: np.ndarray) -> np.ndarray:
    """sRGB bytes with a soft shoulder, by a table over the square root of the light."""
    index = np.sqrt(np.clip(signal, 0.0, 4.0)) * np.float32(2047.0)
    return TONE[index.astype(np.int32)]


def _tone_table() -> np.ndarray:
    x = (np.arange(4096) / 2047.0) ** 2
    y = np.where(x < 0.6, x, 0.6 + 0.4 * (1.0 - np.exp(-(x - 0.6) / 0.4)))
    byte = np.where(y <= 0.0031308, 12.92 * y, 1.055 * y ** (1 / 2.4) - 0.055)
    s = np.clip(byte, 0, 1)
    s = s + 0.12 * s * (1 - s) * (2 * s - 1)  # a little contrast
    return np.clip(255.0 * s + 0.5, 0, 255).astype(np.uint8)


TONE = _tone_table()
