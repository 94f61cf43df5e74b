"""Apache Kafka itself, for comparison: its jars from Maven, its broker as a process, its tools by their names.

The jars lie in .cache/ of this checkout (or in $XDG_CACHE_HOME); the first use fetches about 90 of them. It needs
`java` (17 or newer) and `mvn` on the PATH; without them it raises Unavailable, which says what is missing.
"""

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.nodes import CLUSTER_ID, Node

ROOT = Path(__file__).parent.parent.parent
VERSION = "4.3.1"
# The last one prints the tools' log lines as Kafka's own distribution does.
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    f"org.apache.kafka:kafka-tools:{VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)
TOOLS = {
    "acls": "org.apache.kafka.tools.AclCommand",
    "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "configs": "kafka.admin.ConfigCommand",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "delegation-tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "features": "org.apache.kafka.tools.FeatureCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "replica-verification": "org.apache.kafka.tools.ReplicaVerificationTool",
    "storage": "kafka.tools.StorageTool",
    "topics": "org.apache.kafka.tools.TopicCommand",
    "transactions": "org.apache.kafka.tools.TransactionsCommand",
    "verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
}
LOGGING = """<Configuration status="off">
  <Appenders><Console name="out" target="{target}"><PatternLayout pattern="[%d] %p %m (%c)%n"/></Console></Appenders>
  <Loggers><Root level="{level}"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


class Unavailable(Exception):
    """Apache Kafka cannot be run here; the message says why."""


@functools.cache
def libs() -> Path:
    """The folder of jars, fetched at the first call. Raises Unavailable."""
    home = Path(os.environ["XDG_CACHE_HOME"]) / "kcli" if os.environ.get("XDG_CACHE_HOME") else ROOT / ".cache"
    folder = home / f"kafka-{VERSION}"
    complete = folder / "complete"
    if not complete.exists():
        _fetch(folder / "libs")
        for name, target, level in (("tools", "SYSTEM_ERR", "WARN"), ("broker", "SYSTEM_OUT", "INFO")):
            (folder / f"{name}.xml").write_text(LOGGING.format(target=target, level=level))
        complete.touch()
    return folder / "libs"


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if not maven:
        raise Unavailable(f"Apache Kafka {VERSION} is fetched with Maven, and there is no `mvn` on the PATH")
    rows = "".join(map(_dependency, COORDINATES))
    with tempfile.TemporaryDirectory() as work:
        pom = Path(work) / "pom.xml"
        pom.write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>kcli.tests</groupId><artifactId>kafka</artifactId><version>1</version>"
            f"<dependencies>{rows}</dependencies></project>"
        )
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        done = subprocess.run([maven, "-q", "-B", "-f", str(pom), *goal], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"Maven could not fetch Apache Kafka {VERSION}:\n{(done.stdout + done.stderr)[-2000:]}")


def _dependency(coordinate: str) -> str:
    tags = zip(("groupId", "artifactId", "version"), coordinate.split(":"), strict=True)
    return f"<dependency>{''.join(f'<{tag}>{text}</{tag}>' for tag, text in tags)}</dependency>"


def java(name: str, *options: str) -> list[str]:
    """The command that runs class `name`. Raises Unavailable."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not program:
        raise Unavailable("Apache Kafka runs on Java 17 or newer, and there is no `java` on the PATH")
    return [program, *options, "-cp", f"{libs()}/*", name]


def tool_command(name: str, *args: str) -> list[str]:
    logging = f"-Dlog4j2.configurationFile={libs().parent}/tools.xml"
    return [*java(TOOLS[name], "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging), *args]


def tool(
    name: str, *args: str, stdin: bytes = b"", cwd: Path | None = None, seconds: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Run `kafka-NAME.sh ARGS`. Raises Unavailable, subprocess.TimeoutExpired."""
    return subprocess.run(
        tool_command(name, *args), input=stdin, cwd=cwd, capture_output=True, timeout=seconds, check=False
    )


class KafkaBroker(Node):
    def start_command(self) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={libs().parent}/broker.xml"
        return [*java("kafka.Kafka", "-Xmx512m", "-Xms512m", logging), str(self.config)]

    def format_command(self) -> list[str]:
        return tool_command("storage", "format", "-t", CLUSTER_ID, "-c", str(self.config))
