"""Ask a memory node from another program."""

import time
from collections.abc import Callable
from threading import Event
from typing import Any

from robomem_msgs.srv import Ask, Route

from robomem.errors import RobomemError, UnreachableError
from robomem.geometry import Points
from robomem.types import Answer
from robomem_ros import convert
from robomem_ros.messages import make

ANSWER_TIMEOUT_S = 60.0
CHECK_PERIOD_S = 0.5


class MemoryClient:
    """Calls the services of a memory node and waits; another thread spins the node given.

    Args:
        node: Through which it calls.
        name: Of the memory node.
        timeout_s: The longest wait, after which a RobomemError is raised.
        check: Called now and then while waiting; raises when waiting is in vain.
    """

    def __init__(
        self,
        node: Any,
        *,
        name: str = "robomem",
        timeout_s: float = ANSWER_TIMEOUT_S,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._ask = node.create_client(Ask, f"{name}/ask")
        self._route = node.create_client(Route, f"{name}/route")
        self._timeout_s = timeout_s
        self._check = check

    def ask(self, question: str) -> Answer:
        """Ask in words; raises QueryError when the question is not understood."""
        return convert.answer_of(self._call(self._ask, Ask.Request(question=question)).answer)

    def route(
        self, start_map: Any, goal_map: Any, *, radius_m: float, standoff_m: float = 0.0
    ) -> Points:
        """Return waypoints (N, 3) in map, as `Memory.route` does; raises UnreachableError."""
        request = Route.Request(
            start_map=convert.point(start_map, make=make),
            goal_map=convert.point(goal_map, make=make),
            radius_m=float(radius_m),
            standoff_m=float(standoff_m),
        )
        response = self._call(self._route, request)
        if response.error:
            raise UnreachableError(response.error)
        return convert.waypoints_of(response.path)

    def _call(self, client: Any, request: Any) -> Any:
        if not client.wait_for_service(timeout_sec=self._timeout_s):
            raise RobomemError(f"nobody offers {client.srv_name}: is the memory node running?")
        done = Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        deadline_s = time.monotonic() + self._timeout_s
        while not done.wait(CHECK_PERIOD_S):
            self._check()
            if time.monotonic() > deadline_s:
                raise RobomemError(f"no answer from {client.srv_name} within {self._timeout_s} s")
        return future.result()
