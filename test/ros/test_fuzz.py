"""Mutated messages over all inputs: none is raised, each refusal is counted and named, memory does not grow.

UMAD_PATROL_FUZZ=10000 tries so many of each kind instead of a few.
"""

import copy
import os
import random
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from umad_patrol.config import Settings, with_values  # noqa: E402
from umad_patrol.frames import Cloud, FrameAssembler  # noqa: E402
from umad_patrol.geometry import se3  # noqa: E402
from umad_patrol.io.raw_images import _ENCODINGS, _TWO_PLANES  # noqa: E402
from umad_patrol.records import Frame  # noqa: E402
from umad_patrol.ros.vitals import resident_mb  # noqa: E402

TRIES = int(os.environ.get("UMAD_PATROL_FUZZ", 150))
QUICK = settings(max_examples=TRIES, deadline=None, derandomize="UMAD_PATROL_FUZZ" not in os.environ, database=None,
                 suppress_health_check=list(HealthCheck))
FORWARD = (0.0, 0.0, 0.5, -0.5, 0.5, -0.5, 0.5)
LIMITS = with_values(Settings(), {"input.body_t_camera": FORWARD, "input.body_t_lidar": FORWARD, "input.max_image_mpx": 0.5})
PICTURE = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
MOST_GROWN_MB = 12.0
MOST_BYTES = 100e6  # that a refusal may take on the way: far less than what the bombs ask for

whole = st.one_of(st.integers(0, 130), st.sampled_from([2**15, 2**16, 2**24, 2**31 - 1, 2**32 - 1]))
number = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, -1.0, 1e-300, 1e300, float("nan"), float("inf")]))
now = st.just(0.0)
seconds = st.one_of(now, now, now, st.floats(-3.0, 1.0), st.sampled_from([-1e6, 2e9]))  # after the newest pose; far off: out of time
text = st.one_of(st.sampled_from(["", "camera", "body", "map", "../../etc/passwd", "a\nb", "%s%n", "\x00", "; rm -rf /", "<script>"]), st.text(max_size=300))
encoding = st.one_of(st.sampled_from([*_ENCODINGS, *_TWO_PLANES, "32FC1", "16UC1", "jpeg"]), text)
raw = st.binary(max_size=400)


@pytest.fixture(scope="module")
def serve(messages):
    """`serve(message, "on_image")` gives it to an assembler that localizes, then a good picture. Returns both that came out."""
    made = FrameAssembler(LIMITS, max_wait_s=0.0, newest_only=True)
    clock, tries = [10.0], [0]

    def good():
        for _ in range(3):
            clock[0] += 0.1
            made.on_pose(messages.odometry(clock[0], (0.05 * clock[0], 0, 0)))
        made.on_camera_info(messages.camera_info(clock[0]))
        made.on_image(messages.image(clock[0] - 0.05, PICTURE))
        return made.take()

    def give(message, handler, when=0.0):
        if hasattr(message, "header"):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(int(max(0.0, min(clock[0] + 0.1 + when, 2**31 - 1)) * 10) * 10**8, 10**9)
        tries[0] += 1
        clock[0] += 0.1
        made.on_pose(messages.odometry(clock[0], (0, 0, 0)))
        made.on_camera_info(messages.camera_info(clock[0]))
        if handler == "on_pose":
            clock[0] += 0.1
        before, images, dropped = made.refused.total(), made.images, made.dropped
        tracemalloc.start()
        try:
            getattr(made, handler)(message)
            found = made.take(final=True)
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
        finally:
            tracemalloc.stop()
        refused = made.refused.total() > before
        if handler == "on_image":
            assert made.images == images + 1 and (refused or found is not None or made.dropped > dropped), "neither served nor refused"
        if refused:
            assert made.last_refusal and len(made.last_refusal) <= 400 and "\n" not in made.last_refusal
        if isinstance(found, Frame):
            assert found.image.dtype == np.uint8 and found.image.shape == (found.camera.height, found.camera.width, 3)
            assert se3.is_rigid(found.map_T_camera)
        if isinstance(found, Cloud):
            assert np.isfinite(found.points).all()
        served = None
        for _ in range(6):  # whatever came before, good pictures are served again, within a second that a stamp may be ahead
            served = served or good()
        assert isinstance(served, Frame), made.last_refusal
        return found

    yield give
    print(f"\n{tries[0]} mutated messages, {sum(made.refused.values())} refusals by name: {dict(made.refused)}")


def damaged(data, cuts):
    """The bytes with some replaced, and cut where the last says."""
    data = bytearray(data)
    for place, value in cuts:
        if data:
            data[int(place * (len(data) - 1))] = value
    return bytes(data)


cuts = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6)


@QUICK
@given(kind=encoding, width=whole, height=whole, step=whole, big=st.integers(0, 255), data=st.one_of(raw, st.just(PICTURE.tobytes())), when=seconds, frame=text)
def test_raw_pictures(serve, messages, kind, width, height, step, big, data, when, frame):
    message = messages.image(10.0, PICTURE, kind)
    message.width, message.height, message.step, message.is_bigendian = width, height, step, big
    message.data, message.header.frame_id = np.frombuffer(data, np.uint8), frame
    serve(message, "on_image", when)


@QUICK
@given(suffix=st.sampled_from([".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm"]), cut=cuts, share=st.one_of(st.just(1.0), st.floats(0, 1)), form=text, when=seconds)
def test_encoded_pictures(serve, messages, suffix, cut, share, form, when):
    import cv2

    data = cv2.imencode(suffix, PICTURE)[1].tobytes()
    message = messages.jpeg(10.0, PICTURE, data=damaged(data[:int(share * len(data))], cut))
    message.format = form
    serve(message, "on_image", when)


@QUICK
@given(width=st.one_of(whole, st.integers(40, 70)), height=st.one_of(whole, st.integers(40, 70)), depth=st.sampled_from([1, 8, 16]),
       colour=st.sampled_from([0, 2, 3, 4, 6]), packed=st.integers(0, 20))
def test_png_bombs(serve, messages, width, height, depth, colour, packed):
    """A header that says anything, and data that unpacks to a million zeros a kilobyte."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(packed * 100_000))) + chunk(b"IEND", b"")
    serve(messages.jpeg(10.0, PICTURE, data=bomb), "on_image")


@QUICK
@given(width=st.one_of(st.just(64), whole), height=st.one_of(st.just(48), whole), model=st.one_of(st.sampled_from(["plumb_bob", "equidistant", "rational_polynomial", "fisheye", ""]), text),
       d=st.lists(number, max_size=16), k=st.one_of(st.none(), st.lists(number, min_size=9, max_size=9)), bins=whole, roi=st.tuples(whole, whole, whole, whole))
def test_calibrations(serve, messages, width, height, model, d, k, bins, roi):
    message = messages.camera_info(10.0, width, height, d=d, model=model, bins=bins, roi=roi)
    if k is not None:
        message.k = np.array(k)
    serve(message, "on_camera_info")
    serve(copy.deepcopy(message), "on_camera_info")


@QUICK
@given(kind=st.sampled_from(["odometry", "pose_stamped", "pose_with_covariance"]), xyz=st.tuples(number, number, number),
       quat=st.one_of(st.just((0.0, 0.0, 0.0, 1.0)), st.tuples(number, number, number, number)), variance=st.lists(number, min_size=36, max_size=36), when=seconds, child=text)
def test_poses(serve, messages, kind, xyz, quat, variance, when, child):
    message = getattr(messages, kind)(10.0, xyz, quat)
    message.header.frame_id = child
    if hasattr(message.pose, "covariance"):
        message.pose.covariance = np.array(variance)
    if hasattr(message, "child_frame_id"):
        message.child_frame_id = child
    serve(message, "on_pose", when)


@QUICK
@given(data=raw, width=whole, height=whole, step=whole, row=whole, big=st.booleans(), offsets=st.lists(whole, min_size=3, max_size=3),
       kinds=st.lists(st.integers(0, 9), min_size=3, max_size=3), names=st.lists(st.sampled_from(["x", "y", "z", "", "i"]), min_size=3, max_size=3), when=seconds)
def test_clouds(serve, messages, data, width, height, step, row, big, offsets, kinds, names, when):
    message = messages.cloud(10.0, np.ones((5, 3)))
    message.width, message.height, message.point_step, message.row_step, message.is_bigendian = width, height, step, row, big
    message.data = np.frombuffer(data, np.uint8)
    for field, offset, kind, name in zip(message.fields, offsets, kinds, names):
        field.offset, field.datatype, field.name = offset, kind, name
    serve(message, "on_cloud", when)


@QUICK
@given(parent=text, child=text, xyz=st.tuples(number, number, number), quat=st.tuples(number, number, number, number))
def test_transforms(serve, messages, parent, child, xyz, quat):
    serve(messages.transforms((parent, child, xyz, quat), (child, parent, xyz, quat)), "on_transforms")


def test_memory_does_not_grow(messages):
    """The same without hypothesis, which keeps a part of every example."""
    import cv2

    made, chance, t = FrameAssembler(LIMITS, max_wait_s=0.0, newest_only=True), random.Random(1), 10.0
    encoded = [cv2.imencode(suffix, PICTURE)[1].tobytes() for suffix in (".jpg", ".png", ".bmp", ".tiff")]
    for i in range(20 * TRIES):
        if i == 10 * TRIES:
            warm = resident_mb()
        t += 0.1
        made.on_pose(messages.odometry(t))
        made.on_camera_info(messages.camera_info(t, d=[chance.gauss(0, 1) for _ in range(chance.choice([0, 4, 5, 9]))]))
        if chance.random() < 0.5:
            data = damaged(chance.choice(encoded), [(chance.random(), chance.randrange(256)) for _ in range(4)])
            made.on_image(messages.jpeg(t, PICTURE, data=data))
        else:
            picture = messages.image(t, PICTURE, chance.choice(["bgr8", "nv12", "mono16", "x" * 1000]))
            picture.width, picture.step = chance.choice([64, 2**31]), chance.choice([192, 5])
            made.on_image(picture)
        made.on_transforms(messages.transforms((str(chance.random()), str(chance.random()), (0, 0, 0), (0, 0, 0, 1))))
        made.on_pose(messages.odometry(t + chance.choice([-5, 0.01]), (chance.choice([0, float("nan")]), 0, 0)))
        made.take(final=True)
    assert resident_mb() - warm < MOST_GROWN_MB
