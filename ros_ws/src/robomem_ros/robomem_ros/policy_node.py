"""An exported policy on a robot: what it wants to see in, guarded actions out, interventions in the diagnostics.

python -m robomem_ros.policy_node --ros-args -p path:=exported -p low:=[-0.5] -p high:=[0.5]
"""

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from robomem.policy.runtime.controller import Controller
from robomem.policy.runtime.policy import RuntimePolicy
from robomem.policy.runtime.safety import ActionGuard
from robomem_ros import convert, params, process
from robomem_ros.boundary import autostart, transition
from robomem_ros.messages import make
from robomem_ros.options import PolicyNodeOptions
from robomem_ros.recalling import ANSWERED
from robomem_ros.senses import Arrays, Senses

SAYS = "acting", "interventions, or observations that were refused"
BENIGN = ("taken", "superseded", ANSWERED)
SLACK_S = 0.5  # to come to rest, beyond what it should take


class PolicyNode(LifecycleNode):
    """Loads the policy when configured; listens and acts while active."""

    def __init__(self) -> None:
        super().__init__("robomem_policy", automatically_declare_parameters_from_overrides=True)
        params.declare(self, PolicyNodeOptions)
        self._active = ExitStack()  # what deactivating closes

    def start(self) -> None:
        """Configure and activate, if the parameters say so; raises RobomemError."""
        autostart(self, "the policy node")

    def stop(self) -> None:
        """Stop listening, and come to rest."""
        self._active.close()

    @transition
    def on_configure(self, state: LifecycleState) -> None:
        """Load the policy and warm it up."""
        self._options = params.from_params(self, PolicyNodeOptions)
        policy = RuntimePolicy.from_pretrained(self._options.path, self._options.runtime)
        limits = self._options.limits(policy.manifest.action.shape[0])
        guard = ActionGuard(limits, self._options.timing)
        self._controller = Controller(policy, guard)
        self._senses = Senses(self, self._options, policy.manifest.observation, self._show)
        self.get_logger().info(f"{policy.manifest.name} runs on {policy.providers}")

    @transition
    def on_activate(self, state: LifecycleState) -> None:
        """Listen, think and act, from nothing remembered."""
        self._controller.reset()
        self._troubles, opened = 0, self._active
        self._actions = self.create_publisher(Float64MultiArray, self._options.topics.action, 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        for publisher in (self._actions, self._diagnostics):
            opened.callback(self.destroy_publisher, publisher)
        opened.callback(self._come_to_rest)  # after what follows has ended
        self._thinking = opened.enter_context(ThreadPoolExecutor(1, "policy"))
        opened.callback(self.destroy_service, self.create_service(Trigger, "~/reset", self._reset))
        opened.enter_context(self._senses)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        for period_s, act in (
            (1 / self._options.rate_hz, self._act),
            (self._options.publish_period_s, self._report),
        ):
            opened.callback(self.destroy_timer, self.create_timer(period_s, act, clock=steady))

    @transition
    def on_deactivate(self, state: LifecycleState) -> None:
        """Stop listening, and come to rest."""
        self.stop()

    @transition
    def on_shutdown(self, state: LifecycleState) -> None:
        """Stop from whatever state."""
        self.stop()

    @transition
    def on_error(self, state: LifecycleState) -> None:
        """Stop after an unexpected error; the node can be configured again."""
        self.stop()

    def _show(self, load: Callable[[], Arrays], stamp_ns: int) -> None:
        self._controller.observe(load, stamp_ns=stamp_ns, now_ns=self._now_ns())
        self._thinking.submit(self._controller.think).add_done_callback(self._thought)

    def _thought(self, done: "Future[Any]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:  # the guard sees that no answer comes
            self.get_logger().error(f"the policy failed: {error!r}")

    def _act(self) -> None:
        told = self._controller.act(self._now_ns())
        self._actions.publish(Float64MultiArray(data=told.tolist()))

    def _come_to_rest(self) -> None:
        """Hold, and ramp to rest: who is told velocities would else go on with the last one."""
        self._controller.reset()
        rest_s = self._options.hold_s + self._options.ramp_s + SLACK_S
        steps = round(rest_s * self._options.rate_hz)
        for _ in range(steps):  # no clock: simulated time may stand still
            self._act()
            time.sleep(1 / self._options.rate_hz)

    def _report(self) -> None:
        report = self._controller.report() | self._senses.counts
        troubles = sum(count for name, count in report.items() if name not in BENIGN)
        is_ok, self._troubles = troubles == self._troubles, troubles
        self._diagnostics.publish(
            convert.diagnostics(
                self.get_name(), report, is_ok=is_ok, stamp_ns=self._now_ns(), make=make, says=SAYS
            )
        )

    def _reset(self, request: Any, response: Any) -> Any:
        self._thinking.submit(self._controller.reset).add_done_callback(self._thought)
        response.success = True
        return response

    def _now_ns(self) -> int:
        now: int = self.get_clock().now().nanoseconds
        return now


def main() -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit code."""
    return process.run(PolicyNode)


if __name__ == "__main__":
    sys.exit(main())
