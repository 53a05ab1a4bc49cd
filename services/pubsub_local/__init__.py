"""The embedded bus: `google.pubsub.v1` over gRPC, for machines without Google Cloud.

Listens on the port `pubsub_local`; Google's unmodified clients find it with
`PUBSUB_EMULATOR_HOST`. Reads and writes one SQLite file in its directory, nothing else.

Promises, as the service does: a published message is durable when Publish answers; every
subscription gets it at least once; a lease, back-off, ordering key, dead-letter policy and
flow-control limit mean what Google says. Un-acked messages, failures, topics and subscriptions
survive `kill -9`; leases do not, what was leased is delivered again. A stream that is gone gives
its messages back at once, without back-off, and this counts as a failed delivery, so that a message
that kills its consumer ends on the dead-letter topic.

Ordering: a key belongs to one stream while anything of it is out; that stream gets it in order,
several at a time. After a failure everything behind the failed message comes again, in order.

Not here, and refused with UNIMPLEMENTED: exactly-once, filters, seek, snapshots, schemas, push and
export subscriptions, message transforms. Kept but without effect: retention of a topic, expiration
of a subscription. A dead letter sent to a topic without subscriptions is lost, as at Google.

`wire` messages · `validation` limits · `subscription` + `messages` the pure queue · `feed` the
queue at run time · `exchange` topics and routes · `commits` + `journal` durability · `alarm` time ·
`publisher_api`, `subscriber_api`, `stream`, `server` gRPC.
"""
