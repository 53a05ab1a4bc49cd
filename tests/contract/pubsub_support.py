"""Servers that speak google.pubsub.v1, started for a test, and the clients that talk to them."""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import grpc
from google.api_core.exceptions import DeadlineExceeded
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = "projects/conformance"
PATIENCE = 20.0  # seconds; only a failing test waits that long
#: Google's own limits, and streams that wait for a server that is away: without it the high-level
#: client tries five times at once and then pauses for ten seconds.
_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
    (
        "grpc.service_config",
        json.dumps(
            {
                "methodConfig": [
                    {
                        "name": [
                            {"service": "google.pubsub.v1.Subscriber", "method": "StreamingPull"}
                        ],
                        "waitForReady": True,
                    }
                ]
            }
        ),
    ),
]
_numbers = count(1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def google_emulator_command(port):
    """How to start Google's emulator on this machine; None where it is not installed.

    `PUBSUB_GOOGLE_EMULATOR` names its jar or a command; else the Google Cloud SDK is looked at.
    The jar is started without `gcloud`, which would leave it running.
    """
    address = ["--host=127.0.0.1", f"--port={port}"]
    found = os.environ.get("PUBSUB_GOOGLE_EMULATOR") or _installed_jar()
    if not found:
        return None
    return [*(["java", "-jar", found] if found.endswith(".jar") else found.split()), *address]


def _installed_jar():
    gcloud = shutil.which("gcloud")
    if not gcloud or not shutil.which("java"):
        return None
    libraries = Path(gcloud).resolve().parents[1] / "platform" / "pubsub-emulator" / "lib"
    return next((str(jar) for jar in libraries.glob("cloud-pubsub-emulator-*-all.jar")), None)


class LocalServer:
    """`python -m services.pubsub_local` as a process of its own, which may be killed."""

    def __init__(self, directory):
        self._directory = directory
        self._port = free_port()
        self._process = None
        self.host = f"127.0.0.1:{self._port}"

    def start(self):
        command = [sys.executable, "-m", "services.pubsub_local", "--port", str(self._port)]
        self._process = start_process(
            [*command, "--path", str(self._directory / "bus")], home=self._directory
        )
        wait_until_serving(self.host, self._process)

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def _end(self, number):
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=PATIENCE)
            self._process = None


def start_process(command, *, home):
    environment = {**os.environ, "MT_HOME": str(home)}
    with (home / "output.txt").open("ab") as output:
        return subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=output, stderr=output
        )


def wait_until_serving(host, process):
    address, _, port = host.partition(":")
    give_up_at = time.monotonic() + PATIENCE
    while time.monotonic() < give_up_at:
        assert process.poll() is None, f"the server has ended with {process.returncode}"
        try:
            socket.create_connection((address, int(port))).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
            continue
        return
    raise AssertionError(f"no server on {host}")


@contextmanager
def google_emulator(command, host, home):
    process = start_process(command, home=home)
    try:
        wait_until_serving(host, process)
        yield
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


class Bus:
    """Unmodified Google clients on one server, and names that no other test uses."""

    def __init__(self, host, *, is_google=False):
        self.host = host
        self.is_google = is_google
        self.channel = grpc.insecure_channel(host, options=_CHANNEL_OPTIONS)
        self.publisher = PublisherClient(transport=PublisherGrpcTransport(channel=self.channel))
        self.subscriber = pubsub_v1.SubscriberClient(
            transport=SubscriberGrpcTransport(channel=self.channel)
        )
        # The generated client warns of `return_immediately`, so this call goes past it.
        self._pull = self.channel.unary_unary(
            "/google.pubsub.v1.Subscriber/Pull",
            request_serializer=types.PullRequest.serialize,
            response_deserializer=types.PullResponse.deserialize,
        )
        self._streaming_pull = self.channel.stream_stream(
            "/google.pubsub.v1.Subscriber/StreamingPull",
            request_serializer=types.StreamingPullRequest.serialize,
            response_deserializer=types.StreamingPullResponse.deserialize,
        )

    def close(self):
        self.channel.close()

    def topic_name(self):
        return f"{PROJECT}/topics/topic-{next(_numbers)}"

    def subscription_name(self):
        return f"{PROJECT}/subscriptions/subscription-{next(_numbers)}"

    def topic(self):
        return self.publisher.create_topic(name=self.topic_name()).name

    def subscription(self, topic, **settings):
        name = self.subscription_name()
        request = {"name": name, "topic": topic, **settings}
        return self.subscriber.create_subscription(request=request).name

    def pair(self, **settings):
        topic = self.topic()
        return topic, self.subscription(topic, **settings)

    def publish(self, topic, *bodies, key="", **attributes):
        messages = [
            {"data": body.encode(), "ordering_key": key, "attributes": attributes}
            for body in bodies
        ]
        return list(self.publisher.publish(topic=topic, messages=messages).message_ids)

    def pull(self, subscription, wanted=1):
        """`wanted` deliveries, over as many calls as it takes."""
        received = []
        give_up_at = time.monotonic() + PATIENCE
        while len(received) < wanted and time.monotonic() < give_up_at:
            try:
                received += self.subscriber.pull(
                    subscription=subscription, max_messages=wanted - len(received), timeout=5
                ).received_messages
            except DeadlineExceeded:
                continue
        return received

    def pull_now(self, subscription):
        """What is ready at this moment."""
        request = types.PullRequest(
            subscription=subscription, max_messages=100, return_immediately=True
        )
        return list(self._pull(request, timeout=PATIENCE).received_messages)

    def ack(self, subscription, *deliveries):
        ack_ids = [delivery.ack_id for delivery in deliveries]
        self.subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids)

    def nack(self, subscription, *deliveries):
        self.extend(subscription, 0, *deliveries)

    def extend(self, subscription, seconds, *deliveries):
        self.subscriber.modify_ack_deadline(
            subscription=subscription,
            ack_ids=[delivery.ack_id for delivery in deliveries],
            ack_deadline_seconds=seconds,
        )

    @contextmanager
    def stream(self, subscription, **limits):
        opening = types.StreamingPullRequest(
            subscription=subscription, **{"stream_ack_deadline_seconds": 60, **limits}
        )
        stream = Stream(self._streaming_pull, opening)
        try:
            yield stream
        finally:
            stream.close()


class Stream:
    """One bare StreamingPull call, without the leasing and acking of the high-level client."""

    def __init__(self, streaming_pull, opening):
        self._requests = queue.SimpleQueue()
        self._requests.put(opening)
        self._call = streaming_pull(iter(self._requests.get, None))
        self._received = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        try:
            for response in self._call:
                for delivery in response.received_messages:
                    self._received.put(delivery)
        except grpc.RpcError:
            pass  # `status` tells
        self._requests.put(None)

    def send(self, **fields):
        self._requests.put(types.StreamingPullRequest(**fields))

    def ack(self, *deliveries):
        self.send(ack_ids=[delivery.ack_id for delivery in deliveries])

    def receive(self, wanted=1):
        return [self._received.get(timeout=PATIENCE) for _ in range(wanted)]

    def receives_nothing(self, seconds=0.3):
        """Proves little by time alone, but never fails a server that is right."""
        try:
            self._received.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def status(self):
        self._reader.join(timeout=PATIENCE)
        return self._call.code()

    def half_close(self):
        self._requests.put(None)

    def close(self):
        self._call.cancel()
        self._requests.put(None)
        self._reader.join(timeout=PATIENCE)


def bodies(deliveries):
    return [delivery.message.data.decode() for delivery in deliveries]
