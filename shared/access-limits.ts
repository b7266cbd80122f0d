// Bounds of who may call and of what clients are told: like those in limits.ts, of which they are a part.

/** Lists of roles of which one each is required. */
export const ROLE_GROUPS_MAX = 16
export const ACL_RULES_MAX = 100
export const ACL_VALUES_MAX = 1_000
export const USER_AGENT_PATTERNS_MAX = 1_000
export const CORS_ORIGINS_MAX = 1_000
export const CORS_HEADERS_MAX = 100
export const CORS_AGE_SECONDS_MAX = 86_400
/** What a plugin remembers to have decided of a text that clients send, such as User-Agent; longer ones are not kept. */
export const VERDICTS_MAX = 1_000
export const VERDICT_CHARS_MAX = 1_024
/** Certificates in headers of proxies that a plugin remembers, and how long such a header may be to be remembered. */
export const CERTIFICATE_HEADERS_MAX = 100
export const CERTIFICATE_HEADER_CHARS_MAX = 16 * 1_024
export const CERTIFICATE_RULES_MAX = 1_000
export const REALM_CHARS_MAX = 128
/** What comparing one password may cost; RFC 9106 recommends 64 MiB and 3 passes where 2 GiB are too much. */
export const ARGON2_MEMORY_KIB_MAX = 256 * 1_024
export const ARGON2_PASSES_MAX = 16
export const ARGON2_LANES_MAX = 16
/** Passwords that a worker compares at the same time, and that wait for it. */
export const PASSWORDS_AT_ONCE_MAX = 2
export const PASSWORDS_WAITING_MAX = 64
/** Passwords that a plugin remembers to have been good; all are forgotten when there are more. */
export const KNOWN_PASSWORDS_MAX = 10_000
/** Signatures of one request that are read, and what one may cover. */
export const SIGNATURES_MAX = 8
export const SIGNED_COMPONENTS_MAX = 64
export const SIGNATURE_AGE_SECONDS_MAX = 86_400
/** Nonces that a plugin remembers; while there are so many, signatures with another one are refused. */
export const NONCES_MAX = 100_000
export const ERROR_TEMPLATE_CHARS_MAX = 64 * 1_024
export const ERROR_DATA_CHARS_MAX = 4_096
export const ERROR_DATA_MAX = 100
/** Variables within values of variables. */
export const ERROR_NESTING_MAX = 4
/** An error that would become longer is told in its default form. */
export const ERROR_BODY_CHARS_MAX = 128 * 1_024
/** Elements within elements of an XML template. */
export const XML_DEPTH_MAX = 32
