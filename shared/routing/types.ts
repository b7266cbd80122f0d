import type { DefinitionChange } from '../changes.ts'
import type { UpstreamTls } from '../definitions/upstream-tls.ts'
import type { Balance, UpstreamSpec } from '../definitions/upstream.ts'
import type { CheckType } from '../definitions/health.ts'
import type { ApiErrors } from '../definitions/api-errors.ts'
import type { Match, RouteSpec } from '../definitions/api.ts'
import type { PluginSet } from '../plugins/schema.ts'
import type { Issue } from '../errors.ts'
import type { CompiledSplit } from './split.ts'
import type { Definition, Kind } from '../definitions/kinds.ts'

/**
 * What matching reads of a request. `host` is lower case and without a port, empty when there is none; `path` is as
 * the client sent it, without `?` and the query; `query` is the raw text after `?`, empty when there is none.
 */
export type RequestView = {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
  /** One header by lower-case name; several of the same name joined by `, `. */
  header(name: string): string | undefined
}

/** An upstream ready to be used: defaults filled in, urls taken apart. Immutable. */
export type CompiledUpstream = {
  /** `Upstream/cart`, `Api/petstore` or `Api/petstore/2` (the route's own): stable across revisions. */
  readonly key: string
  readonly balance: Balance
  /** What `hash` goes by; null: the address of the client. */
  readonly hashOn: KeySource | null
  /** Null: a client may meet another target each time. */
  readonly sticky: StickyOptions | null
  /** As written down; with `discovery` they only stand in while none are found. */
  readonly targets: readonly CompiledTarget[]
  /** Null: the targets are those that are written down. */
  readonly discovery: DiscoveryOptions | null
  /** What is spoken with targets. */
  readonly protocol: 'http1' | 'http2' | 'auto'
  readonly connectMs: number
  readonly firstByteMs: number
  readonly idleMs: number
  /** For all attempts together; 0 for no bound. */
  readonly requestMs: number
  /** Further attempts after the first. */
  readonly retries: number
  readonly connectionsMax: number
  readonly keepAliveMs: number
  readonly hostHeader: 'client' | 'target'
  /** Null: what the system believes, checked. */
  readonly tls: UpstreamTls | null
  readonly health: CompiledHealth
  readonly retry: CompiledRetry
  /** Null: requests are never refused for what others came to. */
  readonly breaker: BreakerOptions | null
  /** It lives from its adoption on, not from its first request: somebody looks after its targets. */
  readonly isWatched: boolean
  readonly spec: UpstreamSpec
}

/** Which targets take requests; null where nobody judges. */
export type CompiledHealth = {
  readonly active: ActiveCheck | null
  readonly passive: PassiveJudgement | null
  readonly panicPercent: number
  /** 0: a target that comes takes its full share at once. */
  readonly slowStartMs: number
}

/** A question to a target, and what its answers come to. */
export type ActiveCheck = {
  readonly type: CheckType
  readonly path: string
  /** Null: the target's own. */
  readonly host: string | null
  /** Null: 200 to 399. */
  readonly statuses: readonly number[] | null
  readonly service: string
  /** Null: the target's own. */
  readonly port: number | null
  /** Of the upstream. */
  readonly tls: UpstreamTls | null
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly unhealthyAfter: number
  readonly healthyAfter: number
}

/** What of a request decides where it goes; `name` is lower case for a header, empty for the path. */
export type KeySource = {
  readonly type: 'header' | 'cookie' | 'query' | 'path'
  readonly name: string
}

/** Where the targets of an upstream are found, and how they are spoken to. */
export type DiscoveryOptions = {
  readonly isTls: boolean
  readonly portDefault: number
  /** Least time from one look to the next; the interval, where nothing else says how long an answer lives. */
  readonly ttlMsMin: number
} & (
  | {
      readonly type: 'dns'
      readonly name: string
      /** SRV records instead of addresses. */
      readonly isService: boolean
      /** Null: as this machine looks names up. */
      readonly server: { readonly host: string; readonly port: number } | null
      readonly family: 'any' | 'ipv4' | 'ipv6'
    }
  | {
      readonly type: 'http'
      readonly url: string
      readonly timeoutMs: number
      readonly list: ListOptions
    }
  | { readonly type: 'file'; readonly path: string; readonly list: ListOptions }
)

/** Where a list of targets lies in JSON, and host, port and weight in its items: member names, outermost first. */
export type ListOptions = {
  readonly list: readonly string[]
  readonly host: readonly string[]
  readonly port: readonly string[]
  readonly weight: readonly string[]
  /** For an item without one. */
  readonly portDefault: number
}

/** How a client is kept with its target. */
export type StickyOptions =
  | { readonly type: 'header'; readonly name: string }
  | {
      readonly type: 'cookie'
      readonly name: string
      /** Behind the value in Set-Cookie, from the first `;` on; without `Secure`. */
      readonly attributes: string
    }

/** Who gets copies of requests, and of which share. */
export type CompiledMirror = { readonly upstreamKey: string; readonly share: number }

/** How an upstream is asked again. 0 stands for what is switched off. */
export type CompiledRetry = {
  readonly statuses: readonly number[]
  readonly perTryMs: number
  readonly backoffMs: number
  readonly backoffMsMax: number
  readonly budget: RetryBudgetOptions | null
  readonly hedgeMs: number
}

export type RetryBudgetOptions = { readonly percent: number; readonly perSecond: number }

export type BreakerOptions = {
  readonly failurePercent: number
  readonly requestsMin: number
  readonly windowMs: number
  readonly openMs: number
  readonly openMsMax: number
  readonly probes: number
}

/** Times of a route in place of its upstream's; what is left out stays as it is. */
type RouteTimeouts = NonNullable<RouteSpec['timeouts']>

/** What failed requests come to. */
export type PassiveJudgement = {
  readonly failuresInRow: number
  readonly ejectMs: number
  readonly ejectMsMax: number
  readonly ejectPercentMax: number
}

export type CompiledTarget = {
  /** `http://10.0.0.7:9001`, lower case, default port left out: the key of pools and counters. */
  readonly origin: string
  readonly isTls: boolean
  readonly host: string
  readonly port: number
  /** The name that a TLS target must have a certificate for; its host, unless it was found under another name. */
  readonly serverName: string
  /** What a Host header for this target says. */
  readonly authority: string
  readonly weight: number
}

/** One route ready to be matched. Immutable; a request keeps it to its end. */
export type CompiledRoute = {
  /** `petstore/0`: the Api's name and the route's place in it. */
  readonly id: string
  readonly api: string
  /** Place in the Api's `routes`. */
  readonly at: number
  readonly match: Match
  readonly path: string
  /** Key into the table's upstreams. */
  readonly upstreamKey: string
  /** Null: all requests go to `upstreamKey`, which is otherwise one of several. */
  readonly split: CompiledSplit | null
  readonly mirror: CompiledMirror | null
  /** Null: those of the upstream. */
  readonly timeouts: RouteTimeouts | null
  /** Largest request body in bytes; null: any. */
  readonly bodyBytesMax: number | null
  /** Share of its requests that access records are written of; null: what the gateway's options say. */
  readonly recordSample: number | null
  /** Requests without TLS are sent to https. */
  readonly isHttpsOnly: boolean
  /** Shared by routes with the same ones, and across tables while they stay the same; null without any. */
  readonly plugins: PluginSet | null
  /** What the Api tells of errors; shared like `plugins`; null: nothing of its own. */
  readonly errors: ApiErrors | null
  /** The path that a target is asked for, from the path that the client asked for. Same reference if unchanged. */
  rewritePath(path: string): string
}

/** Kinds that requests and connections are routed by. */
type RoutingKind = 'Api' | 'Upstream' | 'Stream' | 'Plan'

/** A change of a definition of one of them. */
export type RoutingChange =
  | { readonly op: 'put'; readonly definition: Extract<Definition, { kind: RoutingKind }> }
  | { readonly op: 'delete'; readonly kind: RoutingKind; readonly name: string }

/** What is wrong with a definition in the company of the others. `path` begins at the definition: `spec.routes.0.upstream`. */
export type CompileIssue = Issue & { readonly kind: Kind; readonly name: string }

/** A definition that cannot be used here; its last good form, if any, stays in force. */
export type Quarantined = { readonly kind: Kind; readonly name: string; readonly reason: string }

export type ExplainedCandidate = {
  readonly api: string
  readonly route: number
  readonly host: string
  readonly match: Match
  readonly path: string
  /** Why this candidate lost: `method POST is not GET`, `less specific: …`. Empty for the one that matched. */
  readonly reason: string
}

/** The decision for one request: the matched route and why the next candidates lost, in the order they were tried. */
export type Explanation = {
  readonly matched:
    | (ExplainedCandidate & { readonly upstream: string; readonly targetPath: string })
    | null
  readonly candidates: readonly ExplainedCandidate[]
}

export type { Definition, DefinitionChange }
