import numpy as np
import pytest

from umad_patrol.errors import BagError
from umad_patrol.io import bags

PICTURE = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def bag(tmp_path, write_bag, messages):
    return write_bag(tmp_path / "bag", [("/image", 1.0, messages.jpeg(1.0, PICTURE)), ("/odom", 1.1, messages.odometry(1.1, (1, 2, 3)))])


@pytest.mark.parametrize("plugin", ["mcap", "sqlite3"])
def test_folder_file_and_folder_without_metadata(tmp_path, write_bag, messages, plugin):
    folder = write_bag(tmp_path / "bag", [("/odom", t, messages.odometry(t, (t, 0, 0))) for t in (1.0, 2.0)], plugin)
    file = next(f for f in folder.iterdir() if f.suffix in (".mcap", ".db3"))
    for path in (folder, file):
        with bags.open_bag(path) as bag:
            found = [(topic, stamp, bag.decode(topic, raw).pose.pose.position.x) for topic, stamp, raw in bag.messages()]
        assert found == [("/odom", 10**9, 1.0), ("/odom", 2 * 10**9, 2.0)]
    (folder / "metadata.yaml").unlink()
    with bags.open_bag(folder) as bag:
        assert bag.topics["/odom"].count == 2


def test_only_the_topics_asked_for(bag):
    with bags.open_bag(bag) as opened:
        assert [topic for topic, _, _ in opened.messages(("/odom",))] == ["/odom"]
        assert list(opened.messages(("/none",))) == []


def test_missing_topics_name_what_is_there_and_the_setting(bag):
    with bags.open_bag(bag) as opened:
        with pytest.raises(BagError, match=r"'/pose'.*input\.localization_topic.*/odom \[nav_msgs/Odometry, 1\]"):
            opened.require("/pose", bags.POSES, "input.localization_topic")
        with pytest.raises(BagError, match="as nav_msgs/msg/Odometry, not Image or CompressedImage.*/image"):
            opened.require("/odom", bags.IMAGES, "input.image_topic")
        with pytest.raises(BagError, match=r"'/cloud' \(PointCloud2\); it holds none for input\.cloud_topic: do without; it has .*/odom") as caught:
            opened.require("/cloud", bags.CLOUDS, "input.cloud_topic", "do without")
        assert "set input.cloud_topic" not in str(caught.value)     # to no topic that is there
        assert opened.require("/image", bags.IMAGES, "input.image_topic").count == 1
        assert not opened.has("/odom", bags.IMAGES) and opened.has("/odom", bags.POSES)


def refuse(path) -> str:
    with pytest.raises(BagError) as caught:
        with bags.open_bag(path) as opened:
            for topic, _, raw in opened.messages():
                opened.decode(topic, raw)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_a_bag_in_the_home_folder(bag, monkeypatch):
    monkeypatch.setenv("HOME", str(bag.parent))
    with bags.open_bag(f"~/{bag.name}") as opened:
        assert opened.path == bag


def test_no_bag(tmp_path):
    assert "no recording" in refuse(tmp_path / "nowhere")


def test_not_a_bag(tmp_path):
    assert "metadata.yaml" in refuse(tmp_path) and "give a rosbag2 folder" in refuse(tmp_path)     # not: reindex what is not there
    for name, says in [("notes.txt", "no rosbag2"), ("old.bag", "rosbags-convert"), ("bad.mcap", "damaged"), ("bad.db3", "damaged")]:
        (tmp_path / name).write_bytes(b"not a recording at all, just some words")
        assert says in refuse(tmp_path / name)
    (tmp_path / "empty.mcap").write_bytes(b"")
    assert "damaged" in refuse(tmp_path / "empty.mcap")


@pytest.mark.parametrize("plugin", ["mcap", "sqlite3"])
def test_empty_bag(tmp_path, write_bag, plugin):
    assert "empty" in refuse(write_bag(tmp_path / "bag", [], plugin))


@pytest.mark.parametrize("text", ["", "rosbag2_bagfile_information: {version: 99}", "a: [", "rosbag2_bagfile_information: 3", "\x00\xff"])
def test_bad_metadata(bag, text):
    (bag / "metadata.yaml").write_text(text)
    assert "damaged" in refuse(bag)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_mcap(bag, share):
    file = next(bag.glob("*.mcap"))
    data = file.read_bytes()
    file.write_bytes(data[:int(len(data) * share)])
    assert "truncated or damaged" in refuse(bag)


def test_damaged_middle(bag):
    file = next(bag.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[50:400] = b"\xff" * 350
    file.write_bytes(data)
    refuse(bag)


def test_a_message_that_is_no_message(tmp_path, write_bag, messages):
    class Short:
        __msgtype__, raw = "nav_msgs/msg/Odometry", b"\0\1\0\0abc"

    path = write_bag(tmp_path / "bag", [("/odom", 1.0, Short())])
    with bags.open_bag(path) as bag, pytest.raises(BagError, match="a message on /odom of 7 bytes is no nav_msgs/msg/Odometry"):
        [bag.decode(topic, raw) for topic, _, raw in bag.messages()]
