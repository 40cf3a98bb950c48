"""Google Pub/Sub on this machine: the official client works with it, pointed here by `PUBSUB_EMULATOR_HOST`.

`broker` and what it imports are the core: plain data and decisions, the time is an argument, nothing waits. `server`,
`admin` and `traffic` are the wire around it. Everything is lost at the end of the process.

Kept as in the service: acknowledgement deadlines, retry backoff from the first failure on, dead letters, filters, flow
control of streams, retention, seeking to a time, and the limits on requests. Refused as UNIMPLEMENTED, so that nobody
builds on a promise that is not kept: exactly-once delivery, ordering (keys are carried, order is not promised), push,
snapshots, schemas, transforms, exports. Stored and no more: labels, the expiration policy, a topic's own retention.
"""
