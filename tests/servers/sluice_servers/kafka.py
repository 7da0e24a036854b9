# tests/servers/sluice_servers/kafka.py — a one-node Kafka broker from jars that Maven puts into the cache.
"""A KRaft broker and controller in one small JVM."""

import fcntl
import os
import shutil
import subprocess

from .process import Process, ServerError, cache_dir, free_port

BROKER_VERSION = "4.4.0"
ARTIFACTS = [("org.apache.kafka", "kafka_2.13", BROKER_VERSION),
             ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.5")]
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
CLUSTER_ID = "c2x1aWNlLXRlc3RzLW9ubA"

# Short sessions: a broker killed with SIGKILL is back in 4 s instead of 15.
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=1
log.cleaner.dedupe.buffer.size=16777216
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
"""

_LOGGING = """rootLogger.level=INFO
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %c{1} %m%n
"""


def home():
    return os.path.join(cache_dir(), "kafka-" + BROKER_VERSION)


def fetch():
    """Makes the folder of jars when it is missing: about 45 MB."""
    jars = os.path.join(home(), "lib")
    if os.path.isdir(jars):
        return jars
    if not shutil.which("mvn") or not shutil.which("java"):
        raise ServerError("Maven or Java not found; run tools/install_deps.sh kafka")
    os.makedirs(home(), exist_ok=True)
    with open(os.path.join(home(), ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(jars):
            _copy_jars(jars)
    return jars


def _copy_jars(jars):
    pom = os.path.join(home(), "pom.xml")
    wanted = "".join("<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s"
                     "</version></dependency>" % artifact for artifact in ARTIFACTS)
    with open(pom, "w", encoding="utf-8") as out:
        out.write('<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0'
                  "</modelVersion><groupId>local</groupId><artifactId>jars</artifactId><version>1"
                  "</version><packaging>pom</packaging><dependencies>" + wanted +
                  "</dependencies></project>\n")
    fresh = jars + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    log_path = os.path.join(home(), "maven.log")
    with open(log_path, "wb") as log:
        done = subprocess.run(["mvn", "-B", "-q", "-f", pom, COPY_GOAL, "-DincludeScope=runtime",
                               "-DoutputDirectory=" + fresh], stdout=log, stderr=log, check=False)
    if done.returncode != 0:
        raise ServerError("Maven could not get the jars of Kafka, see %s" % log_path)
    os.rename(fresh, jars)


class Kafka(Process):
    """One broker on 127.0.0.1; topics are created on first use, with one partition."""

    kind = "kafka"

    def __init__(self, directory, port=None, properties=()):
        super().__init__(directory)
        self.port = port or free_port(2)
        self.properties = list(properties)
        self.data = os.path.join(self.dir, "data")

    @property
    def bootstrap(self):
        return "127.0.0.1:%d" % self.port

    def describe(self):
        return dict(super().describe(), port=self.port, properties=self.properties)

    def _java(self):
        jars = fetch()
        return ["java", "-Xms32m", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-XX:MaxDirectMemorySize=64m", "-XX:-UsePerfData",
                "-Dlog4j2.configurationFile=file:" + os.path.join(self.dir, "log4j2.properties"),
                "-cp", jars + "/*"]

    def _write_configuration(self):
        path = os.path.join(self.dir, "server.properties")
        with open(path, "w", encoding="utf-8") as out:
            out.write(_PROPERTIES.format(port=self.port, controller=self.port + 1, data=self.data))
            out.writelines(line + "\n" for line in self.properties)
        with open(os.path.join(self.dir, "log4j2.properties"), "w", encoding="utf-8") as out:
            out.write(_LOGGING)
        return path

    def start(self, detached=False):
        configuration = self._write_configuration()
        java = self._java()
        if not os.path.exists(os.path.join(self.data, "meta.properties")):
            done = subprocess.run(java + ["kafka.tools.StorageTool", "format", "--standalone", "-t",
                                          CLUSTER_ID, "-c", configuration], check=False,
                                  capture_output=True, text=True)
            if done.returncode != 0:
                raise ServerError("kafka: format failed: %s" % (done.stdout + done.stderr)[-800:])
        self.spawn(java + ["kafka.Kafka", configuration], detached=detached)
        self.wait_for_log(["Kafka Server started"], 90)
        return self

    def restart(self):
        if self.alive():
            raise ServerError("kafka on port %d still runs" % self.port)
        return self.start()
