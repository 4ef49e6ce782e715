"""`teach_node`: makes a reference map of a drive as it goes. `~/save` (std_srvs/Trigger) writes it; so does the end of the node.

Where no map came of the drive, the node says why and ends with exit status 2.
"""

from __future__ import annotations

import sys
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

from umad_patrol.errors import ConfigError, MapError, PatrolError
from umad_patrol.frames import Cloud
from umad_patrol.records import Frame
from umad_patrol.ros import parameters
from umad_patrol.ros.conversions import diagnostics_message
from umad_patrol.ros.monitor import NO_IMAGE, TAUGHT, Monitor
from umad_patrol.ros.parameter_files import TEACH
from umad_patrol.ros.runner import run_node
from umad_patrol.ros.worker import INTERNAL, Worker, in_words


class TeachNode(Node):
    """The shell around the teacher; `exit_status` is 2 once it has ended without the map that it was to write."""

    def __init__(self) -> None:
        super().__init__("teach_node")
        self._lock = threading.Lock()
        self._worker = self._inputs = self._teacher = None
        self._unsaved = self.exit_status = 0
        parameters.declare(self, TEACH, read_only=True)
        self._path = parameters.path_of(self, "map")
        if not self._path:
            raise ConfigError("parameter map is empty: name the folder that the map is written to")
        settings = parameters.settings_of(self)

        from umad_patrol.align.features import extract  # these import torch, which takes seconds: after rclpy can hear a signal
        from umad_patrol.reference.teach import Teacher, existing_map
        from umad_patrol.ros.inputs import Inputs

        before = existing_map(self._path, settings.teach.run)
        self._teacher = Teacher(settings, lambda image: extract(image, settings.align), before.runs if before is not None else ())
        self._monitor = Monitor(good=TAUGHT)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = self.create_timer(1.0, self._publish_diagnostics, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._service = self.create_service(Trigger, "~/save", self._on_save, callback_group=MutuallyExclusiveCallbackGroup())
        self._inputs = Inputs(self, settings, newest_only=False, clouds=True)
        self._worker = Worker(self._inputs.frames, self._work, self._monitor.fault, self.context.ok)
        self.get_logger().info(f"ready: teaching into {self._path}; listening to {self._inputs.topics()}")

    def destroy_node(self) -> None:
        """Take what still waits, write what is unsaved, then end as every node does."""
        if self._worker is not None:
            self._worker.stop()
        if self._inputs is not None:
            self._take_the_rest()
            if self.get_parameter("save_on_exit").value and (self._unsaved or not self._teacher.keyframes):
                saved, message = self._save()
                print(message, file=sys.stderr)  # rosout is closed already
                self.exit_status = 0 if saved else 2
            self._inputs.close()
        if self._teacher is not None:
            self._teacher.close()
        super().destroy_node()

    def _work(self, record: Frame | Cloud) -> None:
        """One frame or cloud, in the worker's thread."""
        start = time.perf_counter()
        with self._lock:
            if isinstance(record, Cloud):
                self._teacher.add_cloud(record.points)
                return
            self._teacher.add_frame(record)
            self._unsaved += 1
        latency_s = (self.get_clock().now().nanoseconds - record.stamp_ns) / 1e9
        self._monitor.frame(TAUGHT, "", time.perf_counter() - start, latency_s)

    def _take_the_rest(self) -> None:
        while (record := self._inputs.frames.take(final=True)) is not None:
            try:
                self._work(record)
            except Exception as error:  # the next may be whole, and the map is to be written
                self._monitor.fault(getattr(error, "reason", INTERNAL), str(error))

    async def _on_save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Between two frames, in the worker's thread: what comes meanwhile waits for it."""
        try:
            response.success, response.message = await self._worker.do(self._save)
        except PatrolError as error:
            response.success, response.message = False, str(error)
        return response

    def _save(self) -> tuple[bool, str]:
        with self._lock:
            try:
                saved = self._teacher.save(self._path)
            except Exception as error:  # whatever it is: the node goes on, and can be asked again
                nothing = isinstance(error, MapError) and not self._teacher.keyframes
                return False, f"the map was not saved: {self._why_nothing() if nothing else in_words(error)}"
            self._unsaved = 0
            return True, (f"saved {self._teacher.keyframes} keyframes of {self._teacher.frames} frames as run {self._teacher.run!r} to {self._path}, "
                          f"which holds {len(saved)}" + (f"; {self._teacher.lost} keyframes were lost on the way, the route has gaps" if self._teacher.lost else ""))

    def _why_nothing(self) -> str:
        trouble, images = self._teacher.trouble, self._inputs.frames.images
        last = self._inputs.status(self._monitor, trouble)[2]["last_reason"] or "they still wait for pose and camera_info"
        return trouble or (f"no keyframe came of {images} images: {last}" if images else NO_IMAGE)

    def _publish_diagnostics(self) -> None:
        level, message, values = self._inputs.health(self._monitor, self._teacher.trouble)
        values |= {"keyframes": str(self._teacher.keyframes), "unsaved_frames": str(self._unsaved), "map": self._path}
        name, now = f"{self.get_fully_qualified_name().lstrip('/')}: teach", self.get_clock().now().nanoseconds
        self._diagnostics.publish(diagnostics_message(now, name, level, message, values))


def main(args: list[str] | None = None) -> int:
    """Run until stopped."""
    return run_node(TeachNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
