"""The node protocol: every request and reply that crosses port 9999, and nothing else.

Server and client both import this module, and the controller sees no other part of the protocol. Requests
refuse fields they do not know (a misspelt option must not be ignored); replies ignore them, so that a client
one version older keeps working. All times are UTC with a zone, all sizes bytes unless the name says MiB.
"""

from agent.wire.base import (
    API_VERSION,
    CRON,
    DIGEST,
    FENCING_HEADER,
    HOST,
    KEY_HEADER,
    NAME,
    PORT,
    RELEASE,
    Digest,
    Host,
    Kind,
    Name,
    Problem,
    Release,
    Reply,
    Request,
    Role,
    Variable,
    VerdictWord,
)
from agent.wire.containers import (
    Changed,
    Container,
    Containers,
    ContainerSpec,
    Cron,
    Health,
    Promote,
    Stop,
    Verdict,
    Volume,
)
from agent.wire.images import BuildEvent, Image, ImageMissing, ImagePull, ImageQuery, ImageSave, Pruned
from agent.wire.inventory import Inventory
from agent.wire.jobs import JobRun, JobRuns
from agent.wire.leases import Lease, LeaseRequest, Leases
from agent.wire.node import Disk, Enrol, LogLine, Logs, Node, Ping
from agent.wire.peers import PEER_PORT, Peer, PeerList, Peers, PeerTable
from agent.wire.routes import Maintenance, Route, Routes

__all__ = [
    "API_VERSION",
    "CRON",
    "DIGEST",
    "FENCING_HEADER",
    "HOST",
    "KEY_HEADER",
    "NAME",
    "PEER_PORT",
    "PORT",
    "RELEASE",
    "BuildEvent",
    "Changed",
    "Container",
    "ContainerSpec",
    "Containers",
    "Cron",
    "Digest",
    "Disk",
    "Enrol",
    "Health",
    "Host",
    "Image",
    "ImageMissing",
    "ImagePull",
    "ImageQuery",
    "ImageSave",
    "Inventory",
    "JobRun",
    "JobRuns",
    "Kind",
    "Lease",
    "LeaseRequest",
    "Leases",
    "LogLine",
    "Logs",
    "Maintenance",
    "Name",
    "Node",
    "Peer",
    "PeerList",
    "PeerTable",
    "Peers",
    "Ping",
    "Problem",
    "Promote",
    "Pruned",
    "Release",
    "Reply",
    "Request",
    "Role",
    "Route",
    "Routes",
    "Stop",
    "Variable",
    "Verdict",
    "VerdictWord",
    "Volume",
]
