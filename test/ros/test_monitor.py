from collections import Counter

import pytest

from umad_patrol.records import COMPARED, NO_REFERENCE
from umad_patrol.ros.monitor import ERROR, OK, WARN, Monitor


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def monitor(clock):
    return Monitor(clock=clock)


def test_rate_latency_and_coverage(monitor, clock):
    for i in range(20):
        monitor.frame(COMPARED if i % 4 else NO_REFERENCE, "far away", 0.1 + 0.01 * i, 0.2)
        clock.now += 0.2
    level, message, values = monitor.status(30, 5, Counter(), "")
    assert (level, message) == (OK, "comparing at 4.0 Hz")
    assert values["compared"] == "15" and values["no reference"] == "5" and values["compared_percent"] == "75"
    assert (values["images"], values["dropped"], values["last_reason"]) == ("30", "5", "far away")
    assert values["work_ms_p50"] == "195.0" and values["work_ms_max"] == "290.0" and values["latency_ms_p50"] == "200.0"


def test_long_silence_and_trouble_are_errors(monitor, clock):
    clock.now += 31
    assert monitor.status(0, 0, Counter(), "")[:2] == (ERROR, "no image has come yet; is the image topic remapped to the camera's?")
    monitor.frame(COMPARED, "", 0.1, 0.1)
    monitor.status(9, 0, Counter(), "")
    clock.now += 10
    assert monitor.status(9, 0, Counter(), "")[:2] == (WARN, "no frame for 10 s: no image comes")
    assert monitor.status(10, 0, Counter(), "")[:2] == (WARN, "no frame for 10 s: those that come still wait")
    clock.now += 21
    assert monitor.status(12, 0, Counter({"not localized": 3}), "no pose at 3 s")[:2] == (ERROR, "no frame for 31 s: no pose at 3 s")
    monitor.frame(COMPARED, "", 0.1, 0.1)
    assert monitor.status(12, 0, Counter(), "", "the disk is full")[:2] == (ERROR, "the disk is full")
    assert monitor.status(12, 0, Counter(), "")[2]["latency_ms_p99"] == "100.0"


def test_a_camera_that_stops_is_named_whatever_was_refused_before(monitor, clock):
    refused = Counter({"not localized": 3})
    for i in range(20):
        monitor.frame(NO_REFERENCE if i < 5 else COMPARED, "the nearest is 7 m away", 0.1, 0.1)
        monitor.status(3 + i, 0, refused, "no pose at 3 s")
        clock.now += 1
    clock.now += 9
    assert monitor.status(22, 0, refused + Counter({"bad pose": 1}), "behind the newest")[:2] == (WARN, "no frame for 10 s: no image comes")


def test_silence_is_named(monitor, clock):
    assert monitor.status(0, 0, Counter(), "")[:2] == (OK, "waiting for the first frame")
    clock.now += 10
    level, message, _ = monitor.status(0, 0, Counter(), "")
    assert level == WARN and "no image" in message
    level, message, values = monitor.status(9, 0, Counter({"not localized": 9}), "no pose at 3 s")
    assert level == WARN and "no pose at 3 s" in message
    assert values["not localized"] == "9" and values["last_reason"] == "no pose at 3 s" and values["work_ms_p50"] == ""


def test_what_is_not_compared_is_a_warning_with_its_reason(monitor):
    monitor.frame(COMPARED, "", 0.1, 0.1)
    monitor.frame(NO_REFERENCE, "the nearest is 7 m away", 0.1, 0.1)
    assert monitor.status(2, 0, Counter(), "")[:2] == (WARN, "the nearest is 7 m away")


def test_so_is_what_failed(monitor):
    monitor.frame(COMPARED, "", 0.1, 0.1)
    monitor.fault("bad map", "images/000001.jpg cannot be read")
    assert monitor.status(2, 0, Counter(), "")[:2] == (WARN, "images/000001.jpg cannot be read")
    monitor.frame(COMPARED, "", 0.1, 0.1)
    assert monitor.status(3, 0, Counter(), "")[0] == OK


def test_the_newest_reason_wins(monitor):
    monitor.fault("bad image", "cut off")
    assert monitor.status(1, 0, Counter({"bad pose": 1}), "NaN")[2]["last_reason"] == "NaN"
    monitor.fault("bad image", "cut off again")
    values = monitor.status(1, 0, Counter({"bad pose": 1}), "NaN")[2]
    assert values["last_reason"] == "cut off again" and values["bad image"] == "2" and values["bad pose"] == "1"


def test_ages_of_another_clock_are_left_out(monitor):
    monitor.frame(COMPARED, "", 0.1, 1.7e9)
    monitor.frame(COMPARED, "", 0.1, -5.0)
    assert monitor.status(2, 0, Counter(), "")[2]["latency_ms_p50"] == ""


@pytest.mark.parametrize("off, level", [((0.05, 0.4), OK), ((0.4, 0.4), WARN), ((0.05, 4.0), WARN)])
def test_a_localization_that_is_off_is_told_and_warned_of(monitor, clock, off, level):
    for i in range(60):
        monitor.frame(COMPARED, "", 0.1, 0.1, off if i % 3 else None)
        told = monitor.status(i + 1, 0, Counter(), "")
        if i < 29:
            assert told[0] == OK and "localization_off_m" not in told[2]     # some frames that say so are needed
    assert told[0] == level and (float(told[2]["localization_off_m"]), float(told[2]["localization_off_deg"])) == off
    assert level == OK or told[1] == f"the localization is {off[0]:.2f} m and {off[1]:.1f} degrees from what the pictures tell"
    clock.now += 40
    monitor.frame(COMPARED, "", 0.1, 0.1)
    assert monitor.status(61, 0, Counter(), "")[0] == OK and "localization_off_m" not in monitor.status(61, 0, Counter(), "")[2]     # that was long ago
    monitor.frame(NO_REFERENCE, "the nearest is 7 m away", 0.1, 0.1)
    assert monitor.status(62, 0, Counter(), "")[:2] == (WARN, "the nearest is 7 m away")
