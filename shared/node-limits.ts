// Bounds of nodes and of what they say to each other; everybody takes them from limits.ts.

const KIB = 1024
const MIB = 1024 * KIB

// Backup

/** Backups that one node serves at one time: each holds on to what is deleted meanwhile. */
export const BACKUPS_MAX = 2
/** A client that takes nothing of its backup for this long is cut off. */
export const BACKUP_STALL_MS_MAX = 30_000
/**
 * How far a restored or recovered cluster begins above the revision it was made from: more than the lost cluster can
 * have handed out since, at 10,000 writes/s for a day.
 */
export const REVISION_BUMP = 1_000_000_000

// Disk

/** Free space that a node keeps: below it no new writes are taken, below half of it nothing is written. */
export const DISK_RESERVE_BYTES_DEFAULT = 64 * MIB
/** How old a look at the free space may be, and how often it is looked at when nothing is written. */
export const DISK_LOOK_MS = 5
export const DISK_POLL_MS = 250
/** Revisions whose config hash is remembered, so that members that are not in step can still be compared. */
export const RECENT_HASHES_MAX = 4_096

// Healing

/** A copy of the state must have come within this time; nothing is applied meanwhile. */
export const HEAL_MS_MAX = 60_000
/** How long members that were not heard yet are waited for before a follower takes the leader's word. */
export const HEAL_GRACE_MS = 3_000
/** Between two attempts to heal. */
export const HEAL_REST_MS = 1_000

// Peer links

/** Bytes queued for one peer before messages to it are dropped; consensus repeats what matters. */
export const PEER_QUEUE_BYTES_MAX = 64 * MIB
export const PEER_RECONNECT_MS_MIN = 50
export const PEER_RECONNECT_MS_MAX = 2_000
export const SNAPSHOT_CHUNK_BYTES = 256 * KIB
/** Largest stored record in a snapshot: a change with what it replaced, or the result of the largest transaction. */
export const SNAPSHOT_RECORD_BYTES_MAX = 32 * MIB
/** Between two rounds of definition files: each of their syncs delays those of the log, on the same disk. */
export const DEFINITION_FILES_PAUSE_MS = 250
/** While changes keep coming, the files rest after each of them so many times as long as it took. */
export const DEFINITION_FILES_REST = 100
/** The rests of one round last no longer than this all together. */
export const DEFINITION_FILES_REST_MS_MAX = 120_000
export const DEFINITION_FILES_RETRY_MS_MIN = 100
export const DEFINITION_FILES_RETRY_MS_MAX = 10_000
/** Chunks of an arriving snapshot that may wait for the disk before its link is paused. */
export const SNAPSHOT_QUEUE_BYTES_MAX = 1 * MIB
/** Snapshots that may arrive at one time. */
export const PEER_SNAPSHOTS_MAX = 4
/** A link must be connected and have said hello within this time, and in this size. */
export const PEER_HELLO_MS_MAX = 3_000
export const PEER_HELLO_BYTES_MAX = 8 * KIB
/** Links that others may hold open to this node. */
export const PEER_CONNECTIONS_MAX = 256
/** Both ends of a link say something at least this often; one that is silent for longer than the second is dead. */
export const PEER_PING_MS = 1_000
export const PEER_SILENT_MS_MAX = 5_000
/** One frame may take this long to arrive: a damaged length would otherwise be waited for without end. */
export const PEER_FRAME_MS_MAX = 30_000
/** Calls that may wait for an answer at one time: all that this node made, and those that came over one link. */
export const PEER_CALLS_MAX = 1_024
export const PEER_CALL_IDLE_MS_MAX = 10_000

/** How often links and API connections are held against the certificates that they were opened with. */
export const LINK_SWEEP_MS = 1_000
/** Between two lines about peers that were refused: whoever knocks must not fill the log. */
export const REFUSAL_LOG_MS = 1_000

// Certificates

/** Certificates are valid from this long before they are made: clocks of machines differ. */
export const CERTIFICATE_BACKDATE_MS = 3_600_000
/** A certificate is looked at this often at least, whenever it is due for renewal. */
export const CERTIFICATE_CHECK_MS = 60_000
export const CERTIFICATE_LIFETIME_MS_DEFAULT = 30 * 24 * 3_600_000
export const GATEWAY_CERTIFICATE_LIFETIME_MS_DEFAULT = 24 * 3_600_000
/** Names and addresses in one certificate. */
export const CERTIFICATE_HOSTS_MAX = 32
/** How long a node looks for a member that takes its enrolment before it ends. */
export const ENROL_MS_MAX = 60_000
export const ENROL_CALL_MS_MAX = 10_000
export const ENROL_RETRY_MS = 500
/** Attempts to count a use of a token that others use at the same moment. */
export const ENROL_WRITES_MAX = 16
/** A node answers with its authority's certificate within it, and in this size. */
export const AUTHORITY_ANSWER_MS_MAX = 5_000
export const AUTHORITY_ANSWER_BYTES_MAX = 64 * KIB
/** How often the files of the API's own certificate are looked at. */
export const API_PAIR_POLL_MS = 2_000
/** Between two rounds of asking members for the cluster authority. */
export const AUTHORITY_RETRY_MS = 1_000

// Forming and joining a cluster

export const FORM_POLL_MS = 100
export const FORM_CALL_MS_MAX = 1_000
export const FORM_JOIN_MS_MAX = 10_000
export const FORM_RETRY_MS_MAX = 5_000
/** A proposal that not every founder answered within this time is given up, so that others can be asked. */
export const FORM_PROPOSAL_MS_MAX = 10_000
/** Addresses that a fresh node asks: its join list and the nodes it hears of through it. */
export const FORM_CONTACTS_MAX = 64
export const FORM_LOG_MS = 5_000

// Members

/** How often a node looks whether the cluster knows where it is, and whether it knows where the cluster is. */
export const WHEREABOUTS_MS = 500
/** How long a leader tries to hand leadership over, before it says so or stops anyway. */
export const TRANSFER_MS_MAX = 2_000
/** How long another node may take to answer a call about membership. */
export const MEMBER_CALL_MS_MAX = 5_000

/** How often a leader that takes dead members out looks for them, at the least. */
export const DEAD_CHECK_MS_MAX = 1_000
/** Bounds of `--remove-dead-after`: below, a reboot would do it; above, nobody would remember having asked. */
export const REMOVE_DEAD_MS_MIN = 60_000
export const REMOVE_DEAD_MS_MAX = 30 * 86_400_000
export const REMOVE_DEAD_VOTERS_DEFAULT = 3
