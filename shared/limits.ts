import { assert } from './assert.ts'

export * from './node-limits.ts'
export * from './token-limits.ts'

// Every bound of the project that is not an option. Sizes are bytes unless the name says otherwise.

const KIB = 1024
const MIB = 1024 * KIB

// Definitions

export const NAME_CHARS_MAX = 63
export const LABELS_MAX = 64
export const LABEL_CHARS_MAX = 63
export const HOSTS_PER_API_MAX = 256
export const HOST_CHARS_MAX = 253
export const ROUTES_PER_API_MAX = 1_000
export const PATH_CHARS_MAX = 1_024
/** Hosts of requests for which a routing table remembers where to look. */
export const HOST_MEMO_MAX = 10_000
/** Different lists of methods that routes share in memory. */
export const METHOD_LISTS_MAX = 256
export const REGEX_CHARS_MAX = 512
export const METHODS_PER_ROUTE_MAX = 16
export const PREDICATES_PER_ROUTE_MAX = 16
export const PREDICATE_CHARS_MAX = 1_024
export const TARGETS_PER_UPSTREAM_MAX = 1_000
export const TARGET_WEIGHT_MAX = 10_000
export const URL_CHARS_MAX = 2_048
export const TIMEOUT_MS_MAX = 3_600_000
export const RETRIES_MAX = 10
export const CONNECTIONS_PER_TARGET_MAX = 10_000
export const PRIORITY_MAX = 1_000_000
/** Largest definition, encoded as JSON. */
export const DEFINITION_BYTES_MAX = 1 * MIB

export const DESCRIPTION_CHARS_MAX = 1_024

// Consumers, plans and plugins

export const ROLE_CHARS_MAX = 128
export const ROLES_MAX = 256
export const METADATA_MAX = 64
export const METADATA_CHARS_MAX = 1_024
export const PLANS_PER_CONSUMER_MAX = 32
/** Credentials of one kind that a Consumer may have. */
export const CREDENTIALS_PER_CONSUMER_MAX = 64
export const USERNAME_CHARS_MAX = 256
export const SUBJECT_CHARS_MAX = 512
export const REFERERS_MAX = 1_000
export const NETWORKS_PER_LIST_MAX = 10_000
export const ACCESS_RULES_MAX = 1_000
/** Limits of one Consumer, Plan or route. */
export const LIMITS_PER_OWNER_MAX = 32
export const LIMIT_MAX = 1_000_000_000
export const LIMIT_WINDOW_MS_MAX = 31 * 24 * 3_600_000
/** What one request may count. */
export const LIMIT_COST_MAX = 1_000_000
/** Parts of the key that a limit counts by. */
export const LIMIT_KEY_PARTS_MAX = 4
/** Consumers that a limit names as exempt; more of them share a role or a label. */
export const EXEMPT_CONSUMERS_MAX = 1_000
export const QUOTA_PERIOD_MS_MIN = 1_000
export const QUOTA_PERIOD_MS_MAX = 366 * 24 * 3_600_000
export const QUOTA_ALERTS_MAX = 16
/** Name of a quota, and of a key behind it. */
export const USAGE_ID_CHARS_MAX = 2 * NAME_CHARS_MAX + 1
/** Quotas in one report of a gateway. */
export const USAGE_COUNTS_MAX = 5_000
/** Counts that a leader gathers into one command. */
export const USAGE_COUNTS_GATHERED_MAX = 20_000
/** How long a leader gathers reports of usage before it proposes them together. */
export const USAGE_GATHER_MS = 100
/** How long a gateway that reports no more is remembered: its reports may be repeated for so long. */
export const USAGE_SOURCE_MS = 7 * 24 * 3_600_000
/** What one request may cost of a quota. */
export const QUOTA_COST_MAX = 1_000_000
/** Quotas that a worker keeps count of; beyond, those go that nobody used lately. */
export const QUOTA_ENTRIES_MAX = 100_000
/** How often a worker hands over what was used. */
export const USAGE_REPORT_MS = 100
/** How often a worker asks how a quota stands that is in use. */
export const USAGE_ASK_MS = 500
/** A quota is in use for so long after its last request. */
export const USAGE_KEPT_MS = 60_000
/** A report of usage that is not answered in this time is sent again. */
export const USAGE_ANSWER_MS_MAX = 5_000
export const USAGE_RETRY_MS_MIN = 100
export const USAGE_RETRY_MS_MAX = 2_000
/** How long a gateway that stops takes to tell what was used. */
export const USAGE_FLUSH_MS_MAX = 3_000
/** Alerts that a node has not told yet; beyond, they are dropped, and that is logged. */
export const ALERTS_WAITING_MAX = 1_000
export const ALERT_TRIES_MAX = 4
export const ALERT_ANSWER_MS_MAX = 5_000
/** A caller is never told to wait for longer. */
export const RETRY_AFTER_SECONDS_MAX = 31 * 86_400
/** Limits of one request: of its route, and those that only its Consumer or its Plans have. */
export const LIMITS_PER_REQUEST_MAX = 64
/** Counters that the workers of a gateway share; 41 bytes each. */
export const LIMIT_COUNTERS_DEFAULT = 262_144
export const LIMIT_COUNTERS_MIN = 64
export const LIMIT_COUNTERS_MAX = 16_777_216
/** Counts of one worker that are given back when a request is over. */
export const HOLDS_PER_WORKER_MAX = 32_768
/** Credentials that a worker remembers to have been good, and from where. */
export const GOOD_CREDENTIALS_MAX = 10_000
/** Failed attempts to show credentials that an address has, and in which time it gets them back. */
export const FAILED_CREDENTIALS_DEFAULT = 20
export const FAILED_CREDENTIALS_MS = 60_000
/** A worker looks at the clock this often, to see how late it is. */
export const LATENESS_LOOK_MS = 20
/** The share of requests that is shed, in steps: how many there are, and how many each look up or down is. */
export const SHED_STEPS = 40
export const SHED_STEP_UP = 4
export const SHED_STEP_DOWN = 1
/** How long a lock is waited for: so many tries, then so many milliseconds. */
export const LOCK_SPINS_MAX = 1_000
export const LOCK_WAITS_MAX = 100
export const GIVE_BACK_TRIES_MAX = 10
/** Keys that gateways tell each other of at once. */
export const COUNTS_MAX = 10_000
/** How often gateways, and nodes, tell each other what they have counted of shared limits. */
export const COUNTS_MS = 100
export const COUNTS_ANSWER_MS_MAX = 1_000
/** A gateway that does not ask for so long is told nothing more. */
export const COUNTS_FORGOTTEN_MS = 10_000
/** Requests that may be under way, by a `concurrency-limit`. */
export const CONCURRENT_MAX = 100_000
export const CONCURRENT_WAITING_MAX = 10_000
export const CONCURRENT_WAIT_MS_MAX = 60_000
/** How often a request that waits looks whether one in another worker has ended. */
export const CONCURRENT_LOOK_MS = 10
/** API keys that a plugin remembers to have found lately; all are forgotten when there are more. */
export const KNOWN_KEYS_MAX = 10_000
/** An API key that is longer is refused unread. */
export const API_KEY_CHARS_MAX = 512
/** How long a rotated key goes on beside the new one, unless it is told. */
export const KEY_OVERLAP_SECONDS_DEFAULT = 86_400
/** Longest time that a call may give a key, or leave to a rotated one. */
export const KEY_SECONDS_MAX = 10 * 366 * 86_400
export const PASSWORD_CHARS_MIN = 8
export const PASSWORD_CHARS_MAX = 1_024
/** Calls that wait for the hash of a password; the next one is refused. */
export const PASSWORDS_WAITING_MAX = 64

// Access and secrets

/** Nodes or gateways that may enrol with one counted token: its definition names all of them. */
export const TOKEN_USES_MAX = 1_000
/** Longest token that is looked at: a longer one is refused unread. */
export const TOKEN_CHARS_MAX = 512
/** Longest secret value, such as a certificate's key. */
export const SECRET_CHARS_MAX = 64 * KIB
/** Room for the largest secret in UTF-8, sealed and written as base64. */
export const SEALED_CHARS_MAX = 3 * SECRET_CHARS_MAX * 2
/** A certificate with those that lead to its authority, or the authorities of clients; as PEM. */
export const CERTIFICATE_CHARS_MAX = 256 * KIB
export const HOSTS_PER_CERTIFICATE_MAX = 256
export const OCSP_CHARS_MAX = 16 * KIB
/** Keys in one seal key file. */
export const SEAL_KEYS_MAX = 32
/** Failed attempts that one client address may make at once, and then in every second. */
export const ATTEMPTS_BURST = 20
export const ATTEMPTS_PER_SECOND = 1
/** Client addresses whose failed attempts are remembered; the one that was longest quiet is forgotten first. */
export const ATTEMPT_ADDRESSES_MAX = 10_000
/** How long a token that is not known here waits for this node to catch up, before it is refused. */
export const TOKEN_CATCH_UP_MS_MAX = 1_000
/** Open streams are looked through this often for tokens that have expired. */
export const STREAM_EXPIRY_CHECK_MS = 250
/** Definitions that one audit line names. */
export const AUDIT_NAMES_MAX = 20

// Writes and the admin API

export const OPERATIONS_PER_TRANSACTION_MAX = 20_000
export const MESSAGE_CHARS_MAX = 1_024
export const IDEMPOTENCY_KEY_CHARS_MAX = 128
/** Largest request body of the admin API, refused before it is read. */
export const API_BODY_BYTES_MAX = 16 * MIB
export const API_HEAD_BYTES_MAX = 32 * KIB
export const PAGE_ITEMS_DEFAULT = 100
export const PAGE_ITEMS_MAX = 1_000
export const ISSUES_MAX = 100
export const WAIT_APPLIED_MS_DEFAULT = 5_000
export const WAIT_APPLIED_MS_MAX = 120_000
/** Results remembered for repeated idempotency keys, oldest forgotten first. */
export const IDEMPOTENCY_KEYS_MAX = 10_000
/** Operation results in all remembered results together, so that large transactions do not fill the memory. */
export const IDEMPOTENCY_RESULTS_MAX = 200_000
/** Largest YAML body: parsing it holds up consensus for about 1.5 ms a KiB, so that larger ones must come as JSON. */
export const YAML_BODY_BYTES_MAX = 128 * KIB
export const BODY_DEPTH_MAX = 100
export const AUTHOR_CHARS_MAX = 128
export const LABEL_FILTERS_MAX = 16
export const EXPLAIN_HEADERS_MAX = 64
/** Open connections of one node's admin API; more are refused by the operating system's queue. */
export const API_CONNECTIONS_MAX = 20_000
export const API_HEADERS_MS_MAX = 10_000
export const API_REQUEST_MS_MAX = 60_000
/** How long what a refused client still sends is thrown away, so that it can read the refusal. */
export const API_LINGER_MS_MAX = 2_000
/** What is read without the web framework: larger heads and bodies are left to it. */
export const API_FAST_HEAD_BYTES_MAX = 4 * KIB
export const API_FAST_BODY_BYTES_MAX = 1 * MIB
/** Bytes of requests that wait for those before them on one connection. */
export const API_FAST_REQUEST_BYTES_MAX = API_FAST_HEAD_BYTES_MAX + API_FAST_BODY_BYTES_MAX
/** Forwarded calls under way on one connection. */
export const API_FAST_PIPELINE_MAX = 256
export const API_CLOSE_MS_MAX = 5_000
/** A node that stops asks callers to connect elsewhere for this long before it takes no more connections. */
export const API_DRAIN_MS = 50
export const READ_BARRIER_MS_MAX = 5_000
/** Connections to the leader for forwarded calls. */
export const FORWARD_CONNECTIONS_MAX = 256
export const FORWARD_CONNECT_MS_MAX = 3_000
export const FORWARD_MS_MAX = 30_000
/** How often a call that was refused looks whether somebody else leads by now. */
export const FORWARD_LOOK_MS = 2
export const FORWARD_RETRY_MS_MIN = 10
export const FORWARD_RETRY_MS_MAX = 100

// Consensus

/** Largest log entry: the largest body plus the command around it. */
export const ENTRY_BYTES_MAX = API_BODY_BYTES_MAX + 64 * KIB
/** Largest frame between nodes: the largest entry plus the message around it. */
export const FRAME_BYTES_MAX = ENTRY_BYTES_MAX + 1 * MIB
/** Entries of one append message, so that a slow link still sees heartbeats in between. */
export const APPEND_BYTES_MAX = 1 * MIB
export const COMMITTED_BYTES_MAX = 16 * MIB
/** Proposals taken but not yet committed; beyond it, writes are refused with OVERLOADED. */
export const UNCOMMITTED_BYTES_MAX = 64 * MIB
/** Entries proposed at once: a batch without end would keep the core from everything else. */
export const PROPOSALS_PER_BATCH_MAX = 1_024
export const INFLIGHT_MESSAGES_MAX = 256
export const INFLIGHT_BYTES_MAX = 64 * MIB
export const TICK_MS_DEFAULT = 20
export const HEARTBEAT_MS_DEFAULT = 60
export const ELECTION_MS_DEFAULT = 300
/** What is at rest is read at this rate at most, to see whether it still is what was written. */
export const SCRUB_BYTES_PER_SECOND_DEFAULT = 2 * MIB
/** Between two passes. */
export const SCRUB_REST_MS_DEFAULT = 600_000
/** Between two passes while something is damaged that could not be healed. */
export const SCRUB_RETRY_MS = 60_000
/** So much is read in one go. */
export const SCRUB_PIECE_BYTES = 256 * KIB
export const LOG_ENTRIES_RETAINED = 5_000
export const LOG_BYTES_RETAINED = 64 * MIB
/** So much of the log is kept at most for a member that is there and still fetches what came before. */
export const LOG_ENTRIES_FOR_MEMBERS_MAX = 100_000
export const LOG_BYTES_FOR_MEMBERS_MAX = 128 * MIB
export const MEMBERS_MAX = 15

// Names

export const DNS_QUERY_MS_MAX = 1_000
export const DNS_TRIES = 2

// History and watch

export const HISTORY_REVISIONS_MIN = 10_000
export const HISTORY_HOURS_MIN = 24
/** Bytes of history on disk beyond which only HISTORY_REVISIONS_MIN revisions are sure to stay. */
export const HISTORY_BYTES_MAX = 128 * MIB
export const BOOKMARK_MS = 10_000
/** Bytes that may wait for one watcher before it is cut off with the reason. */
export const WATCHER_QUEUE_BYTES_MAX = 16 * MIB
export const WATCHERS_MAX = 10_000
/** Encoded changes kept in memory so that a short reconnect needs no disk. */
export const RECENT_CHANGES_BYTES_MAX = 2 * MIB
export const WATCH_LINE_BYTES_MAX = 64 * MIB
/** A watcher that takes nothing of its snapshot for this long is cut off. */
export const WATCHER_STALL_MS_MAX = 30_000
/** Text of one snapshot kept while several watchers read the same one. */
export const SNAPSHOT_TEXT_BYTES_MAX = 64 * MIB
export const REPLAY_REVISIONS = 256

// Gateways

export const REPORT_MS = 5_000
export const QUARANTINED_MAX = 1_000
/** Gateways that a node remembers; of those that left, the longest silent are forgotten first. */
export const GATEWAYS_MAX = 10_000
export const GATEWAY_FORGOTTEN_MS = 3_600_000
/** Shortest time between two publications of a node's gateways to the other nodes. */
export const GATEWAYS_PUBLISH_MS_MIN = 10
/** A node that published nothing for this long takes its gateways' connections with it. */
export const GATEWAYS_NODE_SILENT_MS = 15_000
/** How long a write that waits for gateways asks the other nodes which gateways they have. */
export const GATEWAYS_ASK_MS_MAX = 1_000
export const ROLLOUTS_WAITING_MAX = 10_000
/** Longest reason that a gateway gives for a quarantined definition. */
export const QUARANTINE_REASON_CHARS_MAX = 1_024
/** Losing candidates that `explain` lists. */
export const EXPLAIN_CANDIDATES_MAX = 20
/** Names that are compared with a misspelt one before the search for what was meant is given up. */
export const SUGGESTION_NAMES_MAX = 1_000
export const WORKERS_MAX = 64
/** Control-plane urls that one gateway may be given. */
export const CONTROL_URLS_MAX = 64
/** Largest request line target, unless a gateway is told otherwise; longer is 414. */
export const TARGET_LINE_BYTES_MAX = 8 * KIB
export const TARGET_LINE_BYTES_BOUND_MAX = 64 * KIB
/** Largest head, of requests unless a gateway is told otherwise; a larger one is 431. */
export const HEAD_BYTES_MAX = 32 * KIB
export const HEAD_BYTES_BOUND_MAX = 256 * KIB
/** Fields of one head, of requests unless a gateway is told otherwise; more is 431. */
export const HEAD_FIELDS_MAX = 128
export const HEAD_FIELDS_BOUND_MAX = 1_000
/** Longest method name; no registered one has more than 17 letters. */
export const METHOD_BYTES_MAX = 32
/** A Content-Length of so many digits is still an exact number. */
export const CONTENT_LENGTH_DIGITS_MAX = 15
/** Hexadecimal digits of a chunk size, leading zeros included: 256 TiB. */
export const CHUNK_SIZE_DIGITS_MAX = 12
/** Extension of one chunk, which is read and dropped. */
export const CHUNK_LINE_BYTES_MAX = 256
/** Fields behind a chunked body. */
export const TRAILER_BYTES_MAX = 8 * KIB
export const CONNECT_MS_DEFAULT = 3_000
export const FIRST_BYTE_MS_DEFAULT = 30_000
export const UPSTREAM_IDLE_MS_DEFAULT = 60_000
export const KEEP_ALIVE_MS_DEFAULT = 60_000
export const CONNECTIONS_PER_TARGET_DEFAULT = 256
export const RETRIES_DEFAULT = 1
export const DRAIN_MS_DEFAULT = 30_000
/** Routes and upstreams that one worker counts by name; what comes beyond is counted together. */
export const ROUTE_SERIES_MAX = 1_000
export const UPSTREAM_SERIES_MAX = 500
/** Room for the id of a route or the key of an upstream; a multiple of 8. */
export const SERIES_NAME_BYTES_MAX = 80
/** Least time between two looks for names that are no more. */
export const SERIES_FORGET_MS = 1_000
/** Longest text of one field of an access record; what is beyond it is cut off. */
export const RECORD_TEXT_CHARS_MAX = 2_048
/** Access records are handed over by this many characters, or after this time. */
export const RECORD_BATCH_CHARS = 64 * KIB
export const RECORD_BATCH_MS = 100
/** Characters of records of one worker that are not written yet; beyond it records are dropped, and counted. */
export const RECORD_CHARS_WAITING_MAX = 1 * MIB
/** Characters written to an access log at once. */
export const RECORD_WRITE_CHARS_MAX = 256 * KIB
/** How long a stop waits for an access log that takes nothing. */
export const RECORD_CLOSE_MS_MAX = 2_000
/** Between two lines about an access log that cannot be written. */
export const RECORD_FAILURE_LOG_MS = 10_000
/** Between two attempts to write where nothing is taken just now. */
export const RECORD_RETRY_MS = 50
export const RECORD_FILES_KEPT_MAX = 1_000
export const RECORD_FILES_KEPT_DEFAULT = 5
export const RECORD_FILE_BYTES_MIN = 64 * KIB
/** Spans of one worker that wait for an export; beyond it they are dropped, and counted. */
export const SPANS_WAITING_MAX = 4_096
export const SPANS_PER_EXPORT_MAX = 512
/** Spans wait for others this long, and for a collector's answer so long at most. */
export const TRACE_EXPORT_MS = 1_000
export const TRACE_EXPORT_MS_MAX = 5_000
/** A new key makes the tickets of TLS sessions so often; those of the key before are good as long again. */
export const TICKET_KEY_MS = 12 * 3_600_000
/** The first message of a TLS client; keys that resist quantum computers take 2 KiB of it. */
export const CLIENT_HELLO_BYTES_MAX = 16 * KIB
export const TLS_HANDSHAKE_MS_MAX = 10_000
export const RECORD_FORMAT_CHARS_MAX = 4_096
export const CHECK_INTERVAL_MS_MIN = 50
export const CHECK_INTERVAL_MS_DEFAULT = 10_000
export const CHECK_TIMEOUT_MS_DEFAULT = 2_000
/** Body bytes of an answer to a check that are read before the check is over all the same. */
export const CHECK_ANSWER_BYTES_MAX = 64 * KIB
export const CHECK_STATUSES_MAX = 32
export const CHECKS_IN_ROW_MAX = 100
export const UNHEALTHY_AFTER_DEFAULT = 3
export const HEALTHY_AFTER_DEFAULT = 2
export const FAILURES_IN_ROW_MAX = 1_000
export const FAILURES_IN_ROW_DEFAULT = 5
export const EJECT_MS_DEFAULT = 30_000
export const EJECT_LONGEST_MS_DEFAULT = 300_000
export const EJECT_PERCENT_DEFAULT = 50
export const PANIC_PERCENT_DEFAULT = 10
export const RETRY_STATUSES_MAX = 32
export const RETRIES_PER_SECOND_MAX = 100_000
export const RETRIES_PER_SECOND_DEFAULT = 10
/** Further attempts that a busy time may save up for a bad one. */
export const RETRY_TOKENS_MAX = 100_000
export const BREAKER_FAILURE_PERCENT_DEFAULT = 50
export const BREAKER_REQUESTS_MAX = 1_000_000
export const BREAKER_REQUESTS_DEFAULT = 20
export const BREAKER_WINDOW_MS_MIN = 100
export const BREAKER_WINDOW_MS_DEFAULT = 10_000
export const BREAKER_OPEN_MS_DEFAULT = 5_000
export const BREAKER_LONGEST_OPEN_MS_DEFAULT = 60_000
export const BREAKER_PROBES_MAX = 100
export const BREAKER_PROBES_DEFAULT = 1
export const COOKIE_NAME_CHARS_MAX = 128
export const STICKY_SECONDS_MAX = 31_536_000
export const SPLIT_BRANCHES_MAX = 32
/** Copies of requests that may be under way to one upstream from one worker; further ones are not made, and counted. */
export const MIRRORS_UNDER_WAY_MAX = 128
/** Body bytes that wait for a mirror that is slower than the target; beyond it the copy is given up. */
export const MIRROR_WAITING_BYTES_MAX = 256 * KIB
/** Least time between two looks of discovery that a definition may ask for. */
export const DISCOVERY_MS_MIN = 50
export const DISCOVERY_HTTP_MS_DEFAULT = 10_000
export const DISCOVERY_FILE_MS_DEFAULT = 1_000
export const DISCOVERY_TIMEOUT_MS_DEFAULT = 5_000
/** Largest answer or file that lists targets. */
export const DISCOVERY_BYTES_MAX = 4 * MIB
/** After rounds that failed: the first wait, and the longest. */
export const DISCOVERY_RETRY_MS_MIN = 250
export const DISCOVERY_RETRY_MS_MAX = 30_000
/** How often in a row a source must say that there are no targets before it is believed. */
export const DISCOVERY_EMPTY_CONFIRMED = 3
export const JSON_PATH_CHARS_MAX = 256
export const DNS_TTL_MS_MIN_DEFAULT = 1_000
/** A record is looked up anew after a day, however long it is said to live. */
export const DNS_TTL_MS_MAX = 86_400_000
/** How long nothing is nothing, where the zone does not say. */
export const DNS_NEGATIVE_MS_DEFAULT = 5_000
/** Aliases that are followed within one answer. */
export const DNS_CHAIN_MAX = 16
export const DNS_MESSAGE_BYTES_MAX = 1_232
export const DNS_SERVERS_MAX = 3
export const DNS_SEARCH_MAX = 32
export const DNS_NDOTS_MAX = 15
export const DNS_TIMEOUT_SECONDS_MAX = 30
export const DNS_ATTEMPTS_MAX = 5
/** How long what the hosts file says is not looked at again. */
export const HOSTS_FILE_MS = 5_000
/** Steps in which a target that starts slowly comes to its full share. */
export const SLOW_START_STEPS = 10
/** Up to as many targets are looked through for each request; more of them are kept in an order. */
export const TARGETS_LOOKED_THROUGH_MAX = 16
/** How long the status port waits for a worker to tell of its targets. */
export const TARGETS_ASK_MS_MAX = 1_000
/** Targets that a worker tells of one by one; the rest are added up. */
export const TARGETS_SHOWN_MAX = 2_000
/** Targets that have series of their own in `GET /metrics`. */
export const TARGET_SERIES_MAX = 500
/** How long a stop leaves idle connections open, at most, and as a share of all its time. */
export const DRAIN_QUIET_MS_MAX = 1_000
export const DRAIN_QUIET_SHARE = 20
export const STATUS_HEAD_BYTES_MAX = 8 * KIB
export const REQUEST_ID_CHARS_MAX = 128
/** Calls that may wait for a connection to one target of one worker, or for the first answer of a discovery; beyond it, 503 UPSTREAM_BUSY. */
export const CALLS_WAITING_PER_TARGET_MAX = 1_024
/** A client's whole request head must arrive within it. This and what follows is what a gateway does unless it is told otherwise. */
export const CLIENT_HEAD_MS_MAX = 30_000
/** A client may neither send nor take a byte that the gateway waits for, for this long. */
export const CLIENT_IDLE_MS_MAX = 60_000
/** Bytes of a request body a second, on average over the time above, below which its client counts as silent. */
export const CLIENT_BODY_RATE_MIN = 128
export const CLIENT_BODY_RATE_BOUND_MAX = 1 * MIB
export const CLIENT_KEEP_ALIVE_MS = 75_000
/** How long a refused connection is read on, so that its last answer is not lost to a reset. */
export const CLIENT_LINGER_MS = 1_000
/** A client that has closed its side and waits may wait this long: nobody can tell it from one that is gone. */
export const CLIENT_HALF_CLOSED_MS = 3_000
/** Rest of a request body that is read and dropped after an early answer, so that the connection can be used again. */
export const CLIENT_DROPPED_BYTES_MAX = 256 * KIB
export const CLIENT_REQUESTS_PER_CONNECTION_MAX = 100_000
export const CLIENT_REQUESTS_BOUND_MAX = 1_000_000_000
/** Connections of clients to one gateway, all its workers together; those beyond it are closed at once. */
export const CLIENT_CONNECTIONS_MAX = 32_768
/** From one client address, to one worker. Clients behind one address translation share it. */
export const CLIENT_CONNECTIONS_PER_ADDRESS_MAX = 8_192
export const CLIENT_CONNECTIONS_BOUND_MAX = 1_000_000
/** Names in one Stream. */
export const HOSTS_PER_STREAM_MAX = 256
/** Streams that share one port. */
export const STREAMS_PER_PORT_MAX = 1_000
/** Connections of Streams that one worker holds. */
export const STREAM_CONNECTIONS_MAX = 16_384
export const STREAM_IDLE_MS_DEFAULT = 3_600_000
/** Records in which the first message of a TLS client may lie. */
export const CLIENT_HELLO_RECORDS_MAX = 64
/** It must arrive within it, where a Stream goes by its name. */
export const CLIENT_HELLO_MS_MAX = 5_000
/** Ports that could not be opened are tried again this often. */
export const STREAM_RETRY_MS = 1_000
/** Ranges of ports that a gateway may open for Streams. */
export const STREAM_PORT_RANGES_MAX = 64
/** Streams that one worker counts by name. */
export const STREAM_SERIES_MAX = 200
/** Networks that a gateway believes. */
export const TRUSTED_NETWORKS_MAX = 256
/** Addresses in X-Forwarded-For or Forwarded that are looked at, from the last one on. */
export const FORWARDED_HOPS_MAX = 32
/** A PROXY header of version 1, its line end included (PROXY protocol 2.1). */
export const PROXY_LINE_BYTES_MAX = 107
/** A PROXY header of version 2 with its additional fields. */
export const PROXY_HEADER_BYTES_MAX = 4 * KIB
/** A PROXY header must arrive within it. */
export const PROXY_HEADER_MS_MAX = 5_000
/** Requests that may be under way on one HTTP/2 connection; those beyond it are refused, and may be repeated. */
export const HTTP2_STREAMS_MAX = 128
/**
 * Head of an HTTP/2 message as HPACK counts it, and its fields: beyond it a stream is reset while its head is still being
 * decoded. Larger than HEAD_BYTES_MAX and HEAD_FIELDS_MAX, so that what is only somewhat too large is answered with 431.
 */
export const HTTP2_HEAD_BYTES_MAX = 64 * KIB
export const HTTP2_HEAD_FIELDS_MAX = 256
/** What one stream, and one connection, may send ahead of whoever reads it. */
export const HTTP2_STREAM_WINDOW_BYTES = 128 * KIB
export const HTTP2_CONNECTION_WINDOW_BYTES = 1 * MIB
/** Memory of one HTTP/2 connection with everything on it, in MiB; beyond it new streams are refused. */
export const HTTP2_CONNECTION_MIB_MAX = 32
/** How much useless work one HTTP/2 connection may cause at once, and then in every second; see Patience. */
export const HTTP2_PATIENCE_MAX = 1_000
export const HTTP2_PATIENCE_PER_SECOND = 100
/** What a stream costs of it that is reset before its answer is whole, or refused. A ping or settings cost 1. */
export const HTTP2_RESET_COST = 5
/** Calls at a time on one HTTP/2 connection to a target, if it allows as many. */
export const HTTP2_TARGET_STREAMS_MAX = 256
/** How long a target that chose HTTP/1.1 in a handshake is not offered HTTP/2 again. */
export const PROTOCOL_LEARNT_MS = 600_000
/** What was sent of a body is kept up to this size until an answer comes: a target that goes away may not have looked at it. */
export const HTTP2_REPLAY_BYTES_MAX = 64 * KIB
/** A longer time that a call of gRPC gives itself is no bound that a timer could hold. */
export const GRPC_TIMEOUT_MS_MAX = 2 ** 31 - 1
/** Up to this size a piece of a body is put into one write with the head, or with the pieces before it. */
export const SMALL_PIECE_BYTES_MAX = 4 * KIB
/** Text that is gathered for one write. */
export const GATHERED_CHARS_MAX = 16 * KIB
/** Sockets that are written to together: as many as wait, but no turn may keep the first one waiting for long. */
export const GATHERED_WRITES_MAX = 64
/** What is read from a target at once. */
export const READ_BYTES = 64 * KIB
/** Deadlines are looked through this often, so many ticks ahead. */
export const DEADLINE_TICK_MS = 20
export const DEADLINE_SLOTS = 512
/** How often requests that take long look whether their route is still there, if anything has changed. */
export const ROUTE_CHECK_MS = 250
/** How long they may go on after it is gone, unless a gateway is told otherwise. */
export const ROUTE_DRAIN_MS_DEFAULT = 30_000
/** How often a tunnel looks for how long it has been silent. */
export const TUNNEL_CHECK_MS = 2_000
/** A tunnel may be silent for this long. */
export const TUNNEL_IDLE_MS_MAX = 3_600_000
/** How long a tunnel may go on when its worker is to stop. */
export const TUNNEL_DRAIN_MS = 10_000
/** Largest bound that a route may set to its request bodies. */
export const BODY_BYTES_BOUND_MAX = Number.MAX_SAFE_INTEGER
/** Certificates in one definition. */
export const CERTIFICATES_CHARS_MAX = 256 * KIB
export const FILE_PATH_CHARS_MAX = 4_096
/** Files of client certificates are read again when a connection is made and they were read this long ago. */
export const CLIENT_CERTIFICATE_MS = 60_000
/** Interim answers (1xx) before the one that counts. */
export const INTERIM_ANSWERS_MAX = 32
/** Times that a call is sent again because a connection was closed while it was unused. */
export const REPLAYS_MAX = 2
/** How long a call may wait for a connection to its target; beyond it, 503 UPSTREAM_BUSY. */
export const CALL_WAIT_MS_MAX = 10_000
export const WATCH_RECONNECT_MS_MIN = 50
export const WATCH_RECONNECT_MS_MAX = 2_000
/** A node that sends nothing at all for this long is given up; it owes a bookmark every BOOKMARK_MS. */
export const WATCH_SILENCE_MS_MAX = 25_000
export const WATCH_CONNECT_MS_MAX = 3_000
export const REPORT_ANSWER_MS_MAX = 5_000
/** Least time between two saves of the config: a swap is on disk this long after it, at the latest. */
export const LAST_GOOD_SAVE_MS = 50
/** Up to this size the last-good file is written anew for each change; a larger one keeps changes beside it. */
export const LAST_GOOD_SMALL_BYTES = 1 * MIB
/** Changes kept beside the last-good file before it is written anew. */
export const LAST_GOOD_CHANGES_BYTES_MAX = 8 * MIB
export const WORKER_RESTART_MS_MIN = 50
export const WORKER_RESTART_MS_MAX = 5_000
/** Memory for the young objects of a worker, MiB. V8's own bound is twice as much, of which requests only make garbage slower. */
export const WORKER_YOUNG_MIB_MAX = 24
export const DEFINITIONS_POLL_MS = 2_000
/** After the first sign of a change, so that files written together are read together. */
export const DEFINITIONS_SETTLE_MS = 50
/** Definitions that one gateway holds. */
export const DEFINITIONS_MAX = 1_000_000

// Command line

/** Times the list of control urls is gone through before a command gives up. */
export const CLIENT_ROUNDS_MAX = 3
export const CLIENT_CONNECT_MS = 2_000
/** Longest wait for an answer, beside what the command itself waits for. */
export const CLIENT_REQUEST_MS = 30_000
/** Between two rounds, and between two attempts of a watch. */
export const CLIENT_RETRY_MS = 500
export const CLIENT_ANSWER_BYTES_MAX = 1_024 * MIB
/** One file of definitions, or standard input. */
export const INPUT_BYTES_MAX = 256 * MIB
/** Rows of one import. */
export const IMPORT_ROWS_MAX = 1_000_000
/** Consumers that an import writes as one transaction, and about how many bytes of them. */
export const IMPORT_BATCH_ROWS = 1_000
export const IMPORT_BATCH_BYTES = 4 * MIB
/** Transactions of an import under way at one time. */
export const IMPORT_BATCHES_AT_ONCE = 2
/** Folders below a folder given with `-f`. */
export const INPUT_DEPTH_MAX = 32
export const INPUT_FILES_MAX = 100_000
/** Lines that differ between two texts beyond which a diff shows all of one, then all of the other. */
export const DIFF_EDITS_MAX = 2_000
export const DEV_NODES_MAX = 7
export const DEV_GATEWAYS_MAX = 16

// A follower must miss several heartbeats, not one late packet, before it campaigns.
assert(ELECTION_MS_DEFAULT >= 5 * HEARTBEAT_MS_DEFAULT, 'an election timeout spans five heartbeats')
assert(HEARTBEAT_MS_DEFAULT >= TICK_MS_DEFAULT, 'a heartbeat is at least one tick')
assert(FRAME_BYTES_MAX > ENTRY_BYTES_MAX, 'a frame can hold the largest entry')
assert(ENTRY_BYTES_MAX > API_BODY_BYTES_MAX, 'an entry can hold the largest body')
assert(UNCOMMITTED_BYTES_MAX > ENTRY_BYTES_MAX, 'the largest entry can be proposed')
assert(API_BODY_BYTES_MAX > DEFINITION_BYTES_MAX, 'a body can hold the largest definition')
assert(SERIES_NAME_BYTES_MAX > NAME_CHARS_MAX + 'Upstream/'.length, 'a series can have any key')
assert(SERIES_NAME_BYTES_MAX % 8 === 0, 'numbers lie where they can be read')
assert(WATCH_SILENCE_MS_MAX > 2 * BOOKMARK_MS, 'one late bookmark does not end a watch')
