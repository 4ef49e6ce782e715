"""`patrol_node`: images, calibration and poses in; masks, overlays, alerts and diagnostics out.

A lifecycle node: configuring loads the map and warms up, activating opens the alert store and starts to compare,
deactivating closes the store and costs nothing from then on, cleaning up frees the memory. With `autostart`, the
default, it starts by itself; if it cannot, it says why on /diagnostics and tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from umad_patrol.alerts.whence import localization_off
from umad_patrol.errors import ConfigError, MapError, PatrolError
from umad_patrol.records import Alert, Frame, Result
from umad_patrol.ros import parameters
from umad_patrol.ros.conversions import diagnostics_message
from umad_patrol.ros.monitor import ERROR, WARN, Monitor
from umad_patrol.ros.parameter_files import PATROL, at_run_time
from umad_patrol.ros.runner import run_node
from umad_patrol.ros.services import Services
from umad_patrol.ros.vitals import give_back_memory, vitals
from umad_patrol.ros.worker import in_words

if TYPE_CHECKING:
    from umad_patrol.alerts.coverage import Coverage
    from umad_patrol.pipeline import Pipeline
    from umad_patrol.ros.inputs import Inputs
    from umad_patrol.ros.outputs import Outputs
    from umad_patrol.ros.worker import Job, Worker

TRY_AGAIN_S = 15.0   # a node that starts by itself tries again this often
RELOAD_EVERY_S = 2.0  # whether another map lies there is looked at this often


class PatrolNode(LifecycleNode):
    """The shell around the pipeline."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of rclpy's Node, for several in one process."""
        super().__init__("patrol_node", **options)
        parameters.declare(self, PATROL, read_only=False)
        self._pipeline: Pipeline | None = None
        self._inputs: Inputs | None = None
        self._outputs: Outputs | None = None
        self._worker: Worker | None = None
        self._coverage: Coverage | None = None
        self._monitor = Monitor()
        self._resets = 0
        self._state, self._trouble, self._again_at, self._reload_at = "unconfigured", "", 0.0, 0.0
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._operator = Services(self, self._job, self._reload_map, self._tell)
        self._timer = self.create_timer(1.0, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))
        if self.get_parameter("autostart").value:
            self._start()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the map, make the publishers and warm up."""
        return self._try("configure", self._configure, self._finish)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the alert store and start to compare."""
        return self._try("activate", self._activate, self._stop)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to compare and close the alert store; map and models stay."""
        return self._try("deactivate", self._stop)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the map and free the memory; every parameter may be changed now."""
        return self._try("clean up", self._finish)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End from any state; nothing leads out of this one."""
        done = self._try("shut down", self._finish)
        self._state = "finalized"
        return done

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, so that another try is possible."""
        trouble = self._trouble
        self._try("recover", self._finish)
        self._trouble = trouble
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Close the alert store, whichever way the node ends."""
        self._finish()
        super().destroy_node()

    def _start(self) -> None:
        self._again_at = time.monotonic() + TRY_AGAIN_S
        if self._state == "unconfigured" and self.trigger_configure() != TransitionCallbackReturn.SUCCESS:
            return
        if self._state == "inactive":
            self.trigger_activate()

    def _configure(self) -> None:
        from umad_patrol.ros.outputs import Outputs  # these import torch, which takes seconds: after rclpy can hear a signal

        path, settings = parameters.path_of(self, "map"), parameters.settings_of(self)
        if not path:
            raise ConfigError("parameter map is empty: give the folder of a reference map (umad-patrol teach makes one)")
        self.get_logger().info(f"loading map {path}")
        from umad_patrol.pipeline import Pipeline
        from umad_patrol.ros.worker import gently

        self._go_on()
        self._pipeline = Pipeline.open(path, settings)
        self._go_on()
        gently(self._pipeline.warm_up)
        self._outputs = Outputs(self, self.get_parameter("map_frame").value)
        self._state = "inactive"

    def _activate(self) -> None:
        from umad_patrol.ros.inputs import Inputs
        from umad_patrol.ros.worker import Worker

        self._go_on()
        if self._pipeline.map.replaced():   # while the node was inactive
            self._load_anew()
        self._pipeline.resume(parameters.path_of(self, "output"))
        self._monitor, self._resets = Monitor(), 0
        self._show_map()
        self._outputs.alerts(self._pipeline.alerts, self._now())
        self._inputs = Inputs(self, self._pipeline.settings, newest_only=True, clouds=False)
        self._worker = Worker(self._inputs.frames, self._work, self._monitor.fault, self.context.ok)
        self._state = "active"
        self.get_logger().info(f"ready: {len(self._pipeline.map)} keyframes, {len(self._pipeline.alerts)} alerts known; "
                               f"listening to {self._inputs.topics()}")

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        if self._inputs is not None:
            self._inputs.close()
        self._worker = self._inputs = None
        self._state = "inactive" if self._outputs is not None else "unconfigured"
        if self._pipeline is not None:
            self._said(self._pipeline.pause)

    def _finish(self) -> None:
        self._stop()
        if self._pipeline is not None:
            self._said(self._pipeline.close)
        if self._outputs is not None:
            self._outputs.close()
        if self._pipeline is not None:
            self._pipeline = self._outputs = self._coverage = None
            give_back_memory()
        self._outputs = None
        self._state = "unconfigured"

    def _go_on(self) -> None:
        """Raise ExternalShutdownException where a signal has ended the node: SIGTERM breaks off nothing by itself, and loading takes its time."""
        if not self.context.ok():
            raise ExternalShutdownException

    def _said(self, step: Callable[[], None]) -> None:
        """Do what must be done even if the disk is full, and say that it is."""
        try:
            step()
        except PatrolError as error:
            self.get_logger().error(str(error))

    def _work(self, frame: Frame) -> None:
        """One frame, in the worker's thread."""
        start = time.perf_counter()
        if self._inputs.frames.resets != self._resets:
            self._resets = self._inputs.frames.resets
            self._pipeline.reset_time()
        self._follow_the_map()
        self._inputs.warn_of_camera(frame.camera, [run.camera for run in self._pipeline.map.info.runs])
        result = self._pipeline.process(frame)
        self._outputs.result(result)
        latency_s = (self._now() - frame.stamp_ns) / 1e9
        self._monitor.frame(result.status, result.reason, self._inputs.frames.assembly_s + time.perf_counter() - start, latency_s, localization_off(result))
        self._coverage.add(result)
        self._log(result)

    def _follow_the_map(self) -> None:
        """Load the map anew when another lies there. One that is still being copied is said, and the old one stays meanwhile."""
        if time.monotonic() < self._reload_at:
            return
        self._reload_at = time.monotonic() + RELOAD_EVERY_S
        if not self._pipeline.map.replaced():
            return
        try:
            self.get_logger().info(self._reload_map())
        except MapError as error:
            self._monitor.fault(error.reason, str(error))

    def _log(self, result: Result) -> None:
        for alert in result.changed_alerts:
            x, y, z = alert.position
            self.get_logger().info(f"alert {alert.id} {alert.state}: {alert.class_name} {alert.score:.2f} at ({x:.2f}, {y:.2f}, {z:.2f})")

    def _job(self, work: Callable[[Pipeline], Any]) -> Job:
        if self._worker is None:
            raise ConfigError(f"the node is {self._state}; {'start it anew' if self._state == 'finalized' else 'activate it first (ros2 lifecycle set)'}")
        return self._worker.do(lambda: work(self._pipeline))

    def _reload_map(self) -> str:
        """Load what lies where the map was; in the worker's thread. Raises MapError, and the old map stays."""
        self._load_anew()
        self._show_map()
        self._tell([])
        fresh = self._pipeline.map
        return f"loaded map {fresh.path} of {len(fresh)} keyframes, checksum {fresh.checksum[:12]}"

    def _load_anew(self) -> None:
        from umad_patrol.reference.map import ReferenceMap

        self._pipeline.reload(ReferenceMap.load(self._pipeline.map.path))

    def _show_map(self) -> None:
        from umad_patrol.alerts.coverage import Coverage

        reference_map = self._pipeline.map
        self._coverage = Coverage(reference_map.poses[:, :3, 3])
        self._outputs.route(reference_map.poses, reference_map.stamps_ns, self._now())
        self._outputs.coverage(self._coverage, self._now())

    def _tell(self, ended: list[Alert]) -> None:
        self._outputs.alerts(self._pipeline.alerts, self._now(), tuple(ended))

    def _on_timer(self) -> None:
        if self._trouble and self._state != "active" and self.get_parameter("autostart").value and time.monotonic() > self._again_at:
            self._start()
        if self._coverage is not None:
            self._outputs.coverage(self._coverage, self._now())     # here, so that it is told to the end where no frame comes any more
        level, message, values = self._health()
        name = f"{self.get_fully_qualified_name().lstrip('/')}: patrol"
        self._diagnostics.publish(diagnostics_message(self._now(), name, level, message, {"state": self._state, **values}))

    def _health(self) -> tuple[int, str, dict[str, str]]:
        pipeline, values = self._pipeline, {}
        level, message = (ERROR, self._trouble) if self._trouble else (WARN, self._state)
        if self._inputs is not None:
            level, message, values = self._inputs.health(self._monitor, pipeline.trouble)
        if pipeline is not None:
            share = self._coverage.share() if self._coverage is not None else None
            values |= {"coverage_percent": "" if share is None else f"{100 * share:.0f}", "keyframes": str(len(pipeline.map)),
                       "active_alerts": str(len(pipeline.alerts)), "map": str(pipeline.map.path), "map_checksum": pipeline.map.checksum,
                       "model_checksum": pipeline.model_checksum, **vitals(pipeline.comparer.device)}
        return level, message, values

    def _on_set_parameters(self, changed: list[Any]) -> Any:
        verdict = parameters.check(PATROL, changed)
        ours = [p for p in changed if p.name in parameters.names(PATROL)]
        fixed = [p.name for p in ours if not at_run_time(p.name)]
        if verdict.successful and self._pipeline is not None and fixed:
            verdict.successful = False
            verdict.reason = (f"{', '.join(fixed)} cannot change while the node is {self._state}; deactivate and clean it up first "
                              "(ros2 lifecycle set), then configure it again")
        elif verdict.successful and self._pipeline is not None and ours:
            try:
                self._retune(parameters.changed_settings(self, ours))
            except ConfigError as error:
                verdict.successful, verdict.reason = False, str(error)
        return verdict

    def _retune(self, settings: Any) -> None:
        pipeline, worker = self._pipeline, self._worker
        if worker is None:
            pipeline.retune(settings)
        else:
            self._inputs.frames.retune(settings)
            worker.do(lambda: pipeline.retune(settings))

    def _now(self) -> int:
        return self.get_clock().now().nanoseconds

    def _try(self, what: str, step: Callable[[], None], undo: Callable[[], None] | None = None) -> TransitionCallbackReturn:
        """Run a transition. rclpy swallows what a transition raises, so it is said here, and what was begun is undone."""
        try:
            step()
        except PatrolError as error:
            if undo is not None:
                undo()
            self._trouble = f"cannot {what}: {error}"
            self.get_logger().error(self._trouble)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._trouble = f"cannot {what}: {in_words(error)}"
            if self.context.ok():   # else a signal ended it
                self.get_logger().error(self._trouble)
            return TransitionCallbackReturn.ERROR
        self._trouble = ""
        return TransitionCallbackReturn.SUCCESS


def main(args: list[str] | None = None) -> int:
    """Run until stopped."""
    return run_node(PatrolNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
