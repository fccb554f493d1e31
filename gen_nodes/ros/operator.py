"""The operator's side of the stack: hears what it says, marks episodes, asks its nodes for things.

One thread does everything, inside `until`: callbacks, answers and the caller's own watch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_srvs.srv import Trigger

from gen_nodes.errors import GenError
from gen_nodes.interrupts import interrupts_last
from gen_nodes.ros import convert
from gen_nodes.ros.executor import make_executor, with_info
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.qos import latched
from gen_nodes.types import Episode

SPIN_S = 0.02
WATCH_S = 0.05
ASK_AGAIN_S = 2.0


class Unanswered(GenError):
    """A node did not answer, or refused."""


class Operator:
    """One rclpy node in this process, which must be isolated or meant for the real graph before.

    watch: called about 20 times a second while waiting; what it raises ends the wait.
    """

    def __init__(self, watch: Callable[[], None] = lambda: None) -> None:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node('operator')
        self.watch = watch
        self._watched_s = 0.0
        self._executor = make_executor()
        self._executor.add_node(self.node)
        self._clients: dict[str, Client] = {}
        self._make = RclpyMessages()
        self._episodes = self.node.create_publisher(
            message_class('gen_stack/msg/Episode'), 'episode', latched()
        )

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def now_ns(self) -> int:
        """ROS time [ns]."""
        return self.node.get_clock().now().nanoseconds

    # Hearing

    def listen(
        self,
        type_name: str,
        topic: str,
        callback: Callable[[Any, Mapping[str, Any]], None],
        qos: QoSProfile,
        *,
        raw: bool = False,
    ) -> None:
        """callback(message, info); info has 'source_timestamp': when it was published [ns]."""
        self.node.create_subscription(
            message_class(type_name), topic, with_info(callback), qos, raw=raw
        )

    def is_heard(self, topic: str, node: str) -> bool:
        """Whether a node subscribes a topic, as far as it is known here."""
        subscriptions = self.node.get_subscriptions_info_by_topic(topic)
        return any(subscription.node_name == node for subscription in subscriptions)

    def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Run callbacks until the condition holds; False after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while True:
            with interrupts_last():
                if condition():
                    return True
                now = time.monotonic()
                if now >= end:
                    return False
                if now - self._watched_s >= WATCH_S:
                    self._watched_s = now
                    self.watch()
                self._executor.spin_once(timeout_sec=min(SPIN_S, end - now))

    # Saying

    def mark(self, episode: Episode) -> None:
        """Publish an episode's start or end."""
        self._episodes.publish(convert.episode_message(self._make, episode))

    # Asking

    def ask(self, kind: type, service: str, request: Any, timeout_s: float = 10.0) -> Any:
        """A service's answer. Raises Unanswered.

        Asks again now and then: a request gets lost where client and server still discover each
        other, or where a dead server of the same name is not yet forgotten.
        """
        client, futures, asked_s = self._client(kind, service), [], float('-inf')

        def answered() -> bool:
            nonlocal asked_s
            now = time.monotonic()
            if now - asked_s > ASK_AGAIN_S and client.service_is_ready():
                asked_s = now
                futures.append(client.call_async(request))
            return any(future.done() for future in futures)

        good = self.until(answered, timeout_s)
        for future in futures:
            if not future.done():
                client.remove_pending_request(future)
        if not good:
            why = f'did not answer within {timeout_s:g} s' if futures else 'is not there'
            raise Unanswered(f"service '{service}' {why}; see the log of its node")
        return next(future.result() for future in futures if future.done())

    def _client(self, kind: type, service: str) -> Client:
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
        return self._clients[service]

    def trigger(self, service: str, timeout_s: float = 10.0) -> str:
        """Call a std_srvs/Trigger; its message. Raises Unanswered where it says no."""
        answer = self.ask(Trigger, service, Trigger.Request(), timeout_s)
        if not answer.success:
            raise Unanswered(f"'{service}' was refused: {answer.message}")
        return answer.message

    def request_soon(self, service: str) -> None:
        """Call a std_srvs/Trigger, if it is there, without waiting for its answer."""
        client = self._client(Trigger, service)
        if client.service_is_ready():
            client.call_async(Trigger.Request())

    def set_parameters(self, node: str, values: Mapping[str, bool | int | float | str]) -> None:
        """Set parameters of a node. Raises Unanswered with the reason where one is refused."""
        request = SetParameters.Request(
            parameters=[
                Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
            ]
        )
        for result in self.ask(SetParameters, f'{node}/set_parameters', request).results:
            if not result.successful:
                raise Unanswered(f'{node}: {result.reason}')

    def activate(self, node: str, timeout_s: float = 10.0) -> None:
        """Let a lifecycle node work. Raises Unanswered."""
        self._change(node, Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE, timeout_s)

    def deactivate(self, node: str, timeout_s: float = 10.0) -> None:
        """Let a lifecycle node cease to work. Raises Unanswered."""
        wanted = State.PRIMARY_STATE_INACTIVE
        self._change(node, Transition.TRANSITION_DEACTIVATE, wanted, timeout_s)

    def _change(self, node: str, transition: int, wanted: int, timeout_s: float) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        if self.ask(ChangeState, f'{node}/change_state', request, timeout_s).success:
            return
        state = self.ask(GetState, f'{node}/get_state', GetState.Request(), timeout_s).current_state
        if state.id != wanted:
            raise Unanswered(f"{node} stays '{state.label}'; see its log")

    def inactive(self, nodes: Iterable[str], timeout_s: float) -> list[str]:
        """Waits until every node is active; those that are not by then."""
        missing, asked_s = list(nodes), {}

        def heard(node: str, future: Future) -> None:
            if (
                not future.cancelled()
                and future.result().current_state.id == State.PRIMARY_STATE_ACTIVE
                and node in missing
            ):
                missing.remove(node)

        def all_active() -> bool:
            now = time.monotonic()
            for node in missing:
                client = self._client(GetState, f'{node}/get_state')
                if now - asked_s.get(node, 0.0) > ASK_AGAIN_S and client.service_is_ready():
                    asked_s[node] = (
                        now  # an answer may get lost while the two still discover each other
                    )
                    client.call_async(GetState.Request()).add_done_callback(partial(heard, node))
            return not missing

        self.until(all_active, timeout_s)
        return missing
