"""What an operator may ask of a patrol node: load the map anew, clear the alerts, say that one is fine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from umad_patrol.errors import ConfigError, MapError
from umad_patrol.records import DISMISSED, Alert
from umad_patrol.ros.worker import Job, in_words

if TYPE_CHECKING:
    from umad_patrol.pipeline import Pipeline


class Services:
    """`~/reload_map`, `~/clear_alerts` and `~/dismiss_alert`, all std_srvs/Trigger.

    The work is done by `job`, between two frames; it raises ConfigError where the node is not active. `tell` publishes
    alerts that just ended.
    """

    def __init__(self, node: Node, job: Callable[[Callable[[Pipeline], Any]], Job], reload: Callable[[], str],
                 tell: Callable[[list[Alert]], None]):
        self._node, self._job, self._reload, self._tell = node, job, reload, tell
        group = MutuallyExclusiveCallbackGroup()  # one of their own: the group is taken while a job is awaited
        for name, callback in (("reload_map", self._on_reload), ("clear_alerts", self._on_clear), ("dismiss_alert", self._on_dismiss)):
            node.create_service(Trigger, f"~/{name}", callback, callback_group=group)

    async def _on_reload(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return await self._answer(response, lambda pipeline: self._reload())

    async def _on_clear(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return await self._answer(response, self._clear)

    async def _on_dismiss(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        wanted = self._node.get_parameter("alert").value
        response = await self._answer(response, lambda pipeline: self._dismiss(pipeline, wanted))
        if response.success and self._node.get_parameter("alert").value == wanted:  # the next may have been named meanwhile
            self._node.set_parameters([Parameter("alert", value="")])  # so that a second call dismisses nothing unseen
        return response

    async def _answer(self, response: Trigger.Response, work: Callable[[Pipeline], str]) -> Trigger.Response:
        try:
            response.success, response.message = True, await self._job(work)
        except Exception as error:  # whatever it is: the node goes on
            response.success, response.message = False, in_words(error)
        self._node.get_logger().info(response.message)
        return response

    def _clear(self, pipeline: Pipeline) -> str:
        ended = pipeline.clear_alerts()
        self._tell(ended)
        return f"cleared {len(ended)} alerts; what is still there is raised anew when it was seen often enough"

    def _dismiss(self, pipeline: Pipeline, wanted: str) -> str:
        active = [alert.id for alert in pipeline.alerts]
        name = wanted or (active[0] if len(active) == 1 else "")
        if not name:
            raise ConfigError(f"which of {', '.join(active)}? set the parameter alert first" if active else "there is no active alert")
        try:
            alert = pipeline.dismiss(name)
        except MapError as error:  # the store knows it, the map does not
            raise MapError(f"{name} is dismissed for this alert store alone: {error}") from error
        finally:
            self._tell([a for a in pipeline.known_alerts if a.id == name and a.state == DISMISSED])
        if alert is None:
            raise ConfigError(f"there is no alert {name!r}; active are {', '.join(active) or 'none'}")
        x, y, _ = alert.position
        return f"dismissed {name} at ({x:.2f}, {y:.2f}); remembered in the map, it never alarms again"
