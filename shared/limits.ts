import { assert } from './assert.ts'

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

// Consensus

/** Largest log entry: the largest body plus the command around it. */
export const ENTRY_BYTES_MAX = API_BODY_BYTES_MAX + 64 * KIB
/** Entries of one append message, so that a slow link still sees heartbeats in between. */
export const APPEND_BYTES_MAX = 1 * MIB
export const COMMITTED_BYTES_MAX = 16 * MIB
/** Proposals taken but not yet committed; beyond it, writes are refused with OVERLOADED. */
export const UNCOMMITTED_BYTES_MAX = 64 * MIB
export const INFLIGHT_MESSAGES_MAX = 256
export const INFLIGHT_BYTES_MAX = 64 * MIB
export const TICK_MS_DEFAULT = 20
export const HEARTBEAT_MS_DEFAULT = 60
export const ELECTION_MS_DEFAULT = 300
export const LOG_ENTRIES_RETAINED = 10_000
export const LOG_BYTES_RETAINED = 64 * MIB
export const MEMBERS_MAX = 15

// Peer links

/** Largest frame between nodes: the largest entry plus the message around it. */
export const FRAME_BYTES_MAX = ENTRY_BYTES_MAX + 1 * MIB
/** Bytes queued for one peer before messages to it are dropped; consensus repeats what matters. */
export const PEER_QUEUE_BYTES_MAX = 64 * MIB
export const PEER_RECONNECT_MS_MIN = 50
export const PEER_RECONNECT_MS_MAX = 2_000
export const SNAPSHOT_CHUNK_BYTES = 256 * KIB

// History and watch

export const HISTORY_REVISIONS_MIN = 10_000
export const HISTORY_HOURS_MIN = 24
export const BOOKMARK_MS = 10_000
/** Bytes that may wait for one watcher before it is cut off with the reason. */
export const WATCHER_QUEUE_BYTES_MAX = 16 * MIB
export const WATCHERS_MAX = 10_000
/** Encoded changes kept in memory so that a short reconnect needs no disk. */
export const RECENT_CHANGES_BYTES_MAX = 16 * MIB
export const WATCH_LINE_BYTES_MAX = 64 * MIB

// Gateways

export const REPORT_MS = 5_000
export const QUARANTINED_MAX = 1_000
export const WORKERS_MAX = 64
/** Control-plane urls that one gateway may be given. */
export const CONTROL_URLS_MAX = 64
/** Largest request line target; longer is 414. */
export const TARGET_LINE_BYTES_MAX = 8 * KIB
/** Largest request head; larger is 431. */
export const HEAD_BYTES_MAX = 32 * KIB
export const CONNECT_MS_DEFAULT = 3_000
export const FIRST_BYTE_MS_DEFAULT = 30_000
export const UPSTREAM_IDLE_MS_DEFAULT = 60_000
export const KEEP_ALIVE_MS_DEFAULT = 60_000
export const CONNECTIONS_PER_TARGET_DEFAULT = 256
export const RETRIES_DEFAULT = 1
export const DRAIN_MS_DEFAULT = 30_000

// A follower must miss several heartbeats, not one late packet, before it campaigns.
assert(ELECTION_MS_DEFAULT >= 5 * HEARTBEAT_MS_DEFAULT, 'an election timeout spans five heartbeats')
assert(HEARTBEAT_MS_DEFAULT >= TICK_MS_DEFAULT, 'a heartbeat is at least one tick')
assert(FRAME_BYTES_MAX > ENTRY_BYTES_MAX, 'a frame can hold the largest entry')
assert(ENTRY_BYTES_MAX > API_BODY_BYTES_MAX, 'an entry can hold the largest body')
assert(UNCOMMITTED_BYTES_MAX > ENTRY_BYTES_MAX, 'the largest entry can be proposed')
assert(API_BODY_BYTES_MAX > DEFINITION_BYTES_MAX, 'a body can hold the largest definition')
