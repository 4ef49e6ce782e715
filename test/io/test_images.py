"""Reading, writing and refusing pictures."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import torch

from umad_patrol.errors import ImageError
from umad_patrol.io.images import decode, read_image, read_mask, to_image, to_tensor, write_image


@pytest.fixture
def picture(rng):
    return cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)


def encoded(image, suffix):
    return cv2.imencode(suffix, image)[1].tobytes()


def test_png_comes_back_exactly(tmp_path, picture):
    write_image(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_jpeg_comes_back_nearly(tmp_path, picture):
    write_image(tmp_path / "a.jpg", picture)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - picture).mean() < 3


def test_grey_and_alpha_become_bgr(picture):
    assert decode(encoded(picture[:, :, 0], ".png")).shape == picture.shape
    assert decode(encoded(cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA), ".png")).shape == picture.shape


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"not a picture", b"\x89PNG\r\n\x1a\n", bytes(1000), b"\xff\xd8" + b"\xff" * 500])
def test_bytes_that_are_no_picture(data):
    with pytest.raises(ImageError):
        decode(data)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_jpeg_is_refused(picture, share):
    data = encoded(picture, ".jpg")
    with pytest.raises(ImageError):
        decode(data[:int(len(data) * share)])


def test_a_jpeg_with_something_behind_its_end_is_read(picture):
    assert decode(encoded(picture, ".jpg") + bytes(100)).shape == picture.shape


def test_a_small_file_cannot_ask_for_gigabytes():
    header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    with pytest.raises(ImageError, match="60000x60000.*max_image_mpx"):
        decode(bomb)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_too_many_megapixels(picture, suffix):
    with pytest.raises(ImageError, match="160x120"):
        decode(encoded(picture, suffix), max_mpx=0.01)


def test_errors_name_the_file(tmp_path):
    with pytest.raises(ImageError, match="none.png"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError):
        read_image(tmp_path)
    (tmp_path / "bad.jpg").write_bytes(b"hello")
    with pytest.raises(ImageError, match="bad.jpg"):
        read_image(tmp_path / "bad.jpg")


def test_unwritable_pictures_are_refused(tmp_path, picture):
    with pytest.raises(ImageError, match="a.xyz"):
        write_image(tmp_path / "a.xyz", picture)
    with pytest.raises(ImageError):
        write_image(tmp_path / "a.png", np.zeros((0, 5, 3), np.uint8))


def test_tensor_is_rgb_and_returns(picture):
    tensor = to_tensor(picture)
    assert tensor.shape == (1, 3, 120, 160) and tensor.dtype == torch.float32
    blue = np.zeros((2, 3, 3), np.uint8)
    blue[:, :, 0] = 255
    assert to_tensor(blue)[0, :, 0, 0].tolist() == [0.0, 0.0, 1.0]
    np.testing.assert_array_equal(to_image(tensor), picture)
    np.testing.assert_array_equal(to_image(tensor[0]), picture)


def test_to_image_clamps_and_blackens_nan():
    tensor = torch.tensor([float("nan"), 2.0, -1.0]).reshape(1, 3, 1, 1)
    assert to_image(tensor).tolist() == [[[0, 255, 0]]]


@pytest.mark.parametrize("suffix", [".ppm", ".webp", ".tiff"])
def test_a_format_whose_size_is_not_read_first_is_refused(picture, suffix):
    with pytest.raises(ImageError, match="JPEG or PNG expected"):
        decode(encoded(picture, suffix))


def test_a_jpeg_of_endless_scans_is_refused(picture):
    data = encoded(picture, ".jpg")
    with pytest.raises(ImageError, match="500 scans|501 scans"):
        decode(data[:-2] + b"\xff\xda\x00\x03\x00" * 500 + data[-2:])


def test_bombs_take_no_memory(picture):
    """A JPEG that says 65500x65500, a BMP of two thousand million rows: refused by their headers."""
    data = bytearray(encoded(picture, ".jpg"))
    at = data.index(b"\xff\xc0") + 5
    data[at:at + 4] = struct.pack(">HH", 65500, 65500)
    bitmap = bytearray(encoded(picture, ".bmp"))
    bitmap[18:26] = struct.pack("<ii", 2, -2**31)
    for bomb in (data, bitmap):
        with pytest.raises(ImageError, match="max_image_mpx"):
            decode(bytes(bomb))


def test_of_a_jpeg_the_smear_around_a_mask_is_no_mask(tmp_path):
    mask = np.zeros((80, 120), np.uint8)
    cv2.circle(mask, (60, 40), 20, 255, -1)
    for name, exact in (("m.png", True), ("m.jpg", False)):
        write_image(tmp_path / name, mask)
        found = read_mask(tmp_path / name)
        assert found.dtype == bool and (np.array_equal(found, mask > 0) if exact else (found != (mask > 0)).sum() < 30)
    for kind in (np.uint8, np.uint16):      # of 16 bits 8 would keep nothing
        (tmp_path / "ones.png").write_bytes(cv2.imencode(".png", (mask // 255).astype(kind))[1].tobytes())
        assert np.array_equal(read_mask(tmp_path / "ones.png"), mask > 0)


@pytest.mark.parametrize("damage", [lambda data: data[:len(data) // 2], lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:], lambda data: data[:-6]])
def test_of_a_damaged_png_nobody_else_has_a_say(picture, damage, capfd):
    whole = cv2.imencode(".png", picture)[1].tobytes()
    decode(whole)
    with pytest.raises(ImageError, match="PNG of .* bytes is (damaged|cut off)"):
        decode(damage(whole))
    assert capfd.readouterr().err == ""


def test_a_file_that_is_too_large_is_not_even_read(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.write(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
        file.truncate(3_000_000_000)
    with pytest.raises(ImageError, match="huge.png is of 3000 MB"):
        read_image(tmp_path / "huge.png")
