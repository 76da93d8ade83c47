"""What the memory node answers: each service is one call of the memory."""

from types import TracebackType
from typing import Any, Self

from robomem_msgs.srv import Ask, Forget, Recall, Route
from std_srvs.srv import Trigger

from robomem.errors import RobomemError
from robomem.memory import Memory
from robomem_ros import convert
from robomem_ros.boundary import error_in
from robomem_ros.messages import make
from robomem_ros.reporter import Reporter

DEFAULT_RADIUS_M = 0.25  # where a request names none


class Services:
    """Offers `~/ask`, `~/recall`, `~/route`, `~/forget` and `~/save` while entered."""

    def __init__(self, node: Any, memory: Memory, reporter: Reporter) -> None:
        self._node = node
        self._memory = memory
        self._reporter = reporter

    def __enter__(self) -> Self:
        self._offered = [
            self._node.create_service(Ask, "~/ask", self._ask),
            self._node.create_service(Recall, "~/recall", self._recall),
            self._node.create_service(Route, "~/route", self._route),
            self._node.create_service(Forget, "~/forget", self._forget),
            self._node.create_service(Trigger, "~/save", self._save),
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for service in self._offered:
            self._node.destroy_service(service)

    def _ask(self, request: Any, response: Any) -> Any:
        response.answer.question = request.question
        with error_in(response.answer):
            response.answer = convert.answer(self._memory.ask(request.question), make=make)
        return response

    def _recall(self, request: Any, response: Any) -> Any:
        with error_in(response):
            hits = self._memory.recall(convert.query_of(request))
            response.hits = [convert.evidence(hit.evidence, make=make) for hit in hits]
            response.entities = [
                convert.entity(hit.entity, make=make) for hit in hits if hit.entity is not None
            ]
        return response

    def _route(self, request: Any, response: Any) -> Any:
        with error_in(response):
            waypoints_map = self._memory.route(
                convert.xyz_of(request.start_map),
                convert.xyz_of(request.goal_map),
                radius_m=float(request.radius_m) or DEFAULT_RADIUS_M,
                standoff_m=float(request.standoff_m),
            )
            stamp_ns = self._node.get_clock().now().nanoseconds
            response.path = convert.path(waypoints_map, stamp_ns=stamp_ns, make=make)
        return response

    def _forget(self, request: Any, response: Any) -> Any:
        with error_in(response):
            response.forgotten = self._memory.forget(int(i) for i in request.entity_ids)
            self._reporter.publish()
        return response

    def _save(self, request: Any, response: Any) -> Any:
        try:
            self._memory.checkpoint()
        except RobomemError as err:
            response.success, response.message = False, str(err)
        else:
            response.success, response.message = True, str(self._memory.path)
        return response
