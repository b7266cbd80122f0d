// Bounds of tokens that issuers give to callers; everybody takes them from limits.ts.

const KIB = 1024
const MIB = 1024 * KIB

/** A token that is longer is refused unread. */
export const BEARER_CHARS_MAX = 16 * KIB
/** Tokens that a plugin remembers to have found good, and their characters in all; the oldest are forgotten first. */
export const KNOWN_TOKENS_MAX = 10_000
export const KNOWN_TOKENS_CHARS_MAX = 16 * MIB
/** A token without an end is looked at anew after it. */
export const KNOWN_TOKEN_MS_MAX = 300_000
export const TOKEN_ISSUERS_MAX = 64
export const TOKEN_SKEW_SECONDS_MAX = 3_600
/** Keys, or URLs of keys, that one plugin has. */
export const TOKEN_KEYS_MAX = 32
/** Keys that one token is tried with, where it does not say which is its own. */
export const TOKEN_KEYS_TRIED_MAX = 16
/** Keys that are taken from one URL. */
export const REMOTE_KEYS_MAX = 256
export const KEY_ID_CHARS_MAX = 512
/** Least length of a key for HS algorithms (RFC 7518 3.2), and of what seals sessions. */
export const SHARED_KEY_BYTES_MIN = 32
/** Least time between two looks for keys that an issuer may have made since. */
export const KEY_ROTATION_MS = 10_000
export const CLAIM_PATH_CHARS_MAX = 256
export const CLAIM_VALUES_MAX = 256
export const SCOPES_MAX = 256
export const REVOKED_TOKENS_MAX = 10_000
export const CLIENT_ID_CHARS_MAX = 512
/** Tokens that one plugin asks about at once; further callers get 503. */
export const INTROSPECTIONS_UNDER_WAY_MAX = 256
/** Tokens that one plugin remembers not to be active. */
export const INACTIVE_TOKENS_MAX = 10_000
export const SESSION_SECONDS_MAX = 2_592_000
/** How long somebody may take to log in. */
export const LOGIN_SECONDS_MAX = 600
/** What one cookie of a session holds, and how many of them it may take: browsers keep 4 KiB of each. */
export const SESSION_COOKIE_CHARS_MAX = 3_600
export const SESSION_COOKIES_MAX = 4
/** Longest path and query that somebody is sent back to after a login. */
export const RETURN_PATH_CHARS_MAX = 1_024
/** A session is refreshed so long before the tokens of the provider end. */
export const SESSION_REFRESH_MS_BEFORE = 30_000
/** Sessions that a plugin remembers to have opened or refreshed lately; the oldest are forgotten first. */
export const KNOWN_SESSIONS_MAX = 10_000
/** How long requests that still show a session from before its refresh are taken for the refreshed one. */
export const SESSION_OVERLAP_MS = 60_000
export const PROVIDER_CACHE_MS = 3_600_000
export const PROVIDER_STALE_MS = 86_400_000
/** Calls of authorization servers. */
export const REMOTE_TIMEOUT_MS_MAX = 30_000
export const REMOTE_CACHE_SECONDS_MAX = 604_800
export const REMOTE_ANSWER_BYTES_MAX = 512 * KIB
/** Connections to one authorization server, and documents of such that one worker keeps. */
export const REMOTE_CONNECTIONS_MAX = 16
export const REMOTE_DOCUMENTS_MAX = 1_000
/** After a document could not be had: the first wait, and the longest. */
export const REMOTE_RETRY_MS_MIN = 1_000
export const REMOTE_RETRY_MS_MAX = 30_000
