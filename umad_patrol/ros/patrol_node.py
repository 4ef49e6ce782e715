"""`patrol_node`: images, calibration and poses in; masks, overlays, alerts and diagnostics out.

A lifecycle node: configuring loads the map, activating starts to compare. With `autostart`, the default, it does both
by itself. If it cannot, it says why on /diagnostics and waits to be configured anew.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from umad_patrol.errors import ConfigError, PatrolError
from umad_patrol.records import Frame
from umad_patrol.ros import parameters
from umad_patrol.ros.conversions import diagnostics_message
from umad_patrol.ros.monitor import ERROR, OK, WARN, Monitor
from umad_patrol.ros.parameter_files import PATROL
from umad_patrol.ros.runner import run_node

if TYPE_CHECKING:
    from umad_patrol.pipeline import Pipeline
    from umad_patrol.ros.inputs import Inputs
    from umad_patrol.ros.outputs import Outputs
    from umad_patrol.ros.worker import Worker

WARN_EVERY_S = 10.0


class PatrolNode(LifecycleNode):
    """The shell around the pipeline."""

    def __init__(self) -> None:
        super().__init__("patrol_node")
        parameters.declare(self, PATROL, read_only=False)
        self._pipeline: Pipeline | None = None
        self._inputs: Inputs | None = None
        self._outputs: Outputs | None = None
        self._worker: Worker | None = None
        self._monitor = Monitor()
        self._resets = 0
        self._state, self._trouble = "unconfigured", ""
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = self.create_timer(1.0, self._publish_diagnostics, clock=Clock(clock_type=ClockType.STEADY_TIME))
        if self.get_parameter("autostart").value and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the map and make the publishers."""
        return self._try("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the alert store and start to compare."""
        return self._try("activate", self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to compare and close the alert store."""
        return self._try("deactivate", self._stop)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the map; parameters may be changed now."""
        return self._try("clean up", self._finish)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End from any state."""
        return self._try("shut down", self._finish)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, so that another try is possible."""
        return self._try("recover", self._finish)

    def destroy_node(self) -> None:
        """Close the alert store, whichever way the node ends."""
        self._finish()
        super().destroy_node()

    def _configure(self) -> None:
        from umad_patrol.ros.outputs import Outputs  # these import torch, which takes seconds: after rclpy can hear a signal

        self._pipeline = self._open_pipeline()
        self._outputs = Outputs(self, self.get_parameter("map_frame").value)
        self._state = "inactive"

    def _activate(self) -> None:
        from umad_patrol.ros.inputs import Inputs
        from umad_patrol.ros.worker import Worker

        self._pipeline = self._pipeline or self._open_pipeline()
        self._monitor, self._resets = Monitor(), 0
        now, reference_map = self.get_clock().now().nanoseconds, self._pipeline.map
        self._outputs.route(reference_map.poses, reference_map.stamps_ns, now)
        self._outputs.alerts(self._pipeline.alerts, now)
        self._inputs = Inputs(self, self._pipeline.settings, newest_only=True, clouds=False)
        self._worker = Worker(self._inputs.frames, self._work, self._monitor.fault)
        self._state = "active"
        self.get_logger().info(f"ready: {len(reference_map)} keyframes, {len(self._pipeline.alerts)} alerts known; "
                               f"listening to {self._inputs.topics()}")

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        if self._inputs is not None:
            self._inputs.close()
        if self._pipeline is not None:
            self._pipeline.close()
        self._worker = self._inputs = self._pipeline = None
        self._state = "inactive" if self._outputs is not None else "unconfigured"

    def _finish(self) -> None:
        self._stop()
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = None
        self._state = "unconfigured"

    def _open_pipeline(self) -> Pipeline:
        path, settings = self.get_parameter("map").value, parameters.settings_of(self)
        if not path:
            raise ConfigError("parameter map is empty: give the folder of a reference map (umad-patrol teach makes one)")
        self.get_logger().info(f"loading map {path}")
        from umad_patrol.pipeline import Pipeline

        return Pipeline.open(path, settings, self.get_parameter("output").value)

    def _work(self, frame: Frame) -> None:
        """One frame, in the worker's thread."""
        start = time.perf_counter()
        if self._inputs.frames.resets != self._resets:
            self._resets = self._inputs.frames.resets
            self._pipeline.reset_time()
        result = self._pipeline.process(frame)
        self._outputs.result(result)
        age_s = (self.get_clock().now().nanoseconds - frame.stamp_ns) / 1e9
        self._monitor.frame(result.status, result.reason, time.perf_counter() - start, age_s)
        for alert in result.changed_alerts:
            x, y, z = alert.position
            self.get_logger().info(f"alert {alert.id} {alert.state}: {alert.class_name} {alert.score:.2f} at ({x:.2f}, {y:.2f}, {z:.2f})")

    def _publish_diagnostics(self) -> None:
        inputs, values = self._inputs, {}
        if inputs is not None:
            frames = inputs.frames
            level, message, values = self._monitor.status(frames.images, frames.dropped, frames.refused, frames.last_refusal)
            if level != OK:
                self.get_logger().warning(message, throttle_duration_sec=WARN_EVERY_S)
        elif self._trouble:
            level, message = ERROR, self._trouble
        else:
            level, message = WARN, self._state
        if self._pipeline is not None:
            values |= {"keyframes": str(len(self._pipeline.map)), "active_alerts": str(len(self._pipeline.alerts))}
        name, now = f"{self.get_fully_qualified_name().lstrip('/')}: patrol", self.get_clock().now().nanoseconds
        self._diagnostics.publish(diagnostics_message(now, name, level, message, {"state": self._state, **values}))

    def _on_set_parameters(self, changed: list[Any]) -> Any:
        verdict = parameters.check(PATROL, changed)
        known = parameters.names(PATROL)
        if verdict.successful and self._state != "unconfigured" and any(p.name in known for p in changed):
            verdict.successful = False
            verdict.reason = f"the node is {self._state}; deactivate and clean it up first (ros2 lifecycle set), then configure it again"
        return verdict

    def _try(self, what: str, step: Any) -> TransitionCallbackReturn:
        """Run a transition. rclpy swallows what a transition raises, so it is said here."""
        try:
            step()
        except PatrolError as error:
            self._stop()
            self._trouble = f"cannot {what}: {error}"
            self.get_logger().error(self._trouble)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._trouble = f"cannot {what}: internal error: {type(error).__name__}: {error}"
            self.get_logger().error(self._trouble)
            return TransitionCallbackReturn.ERROR
        self._trouble = ""
        return TransitionCallbackReturn.SUCCESS


def main(args: list[str] | None = None) -> int:
    """Run until stopped."""
    return run_node(PatrolNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
