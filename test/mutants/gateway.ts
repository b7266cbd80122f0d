import type { Mutant } from './mutant.ts'

const BREAKER = 'test/gateway/upstream/breaker.test.ts'
const SELECTOR = 'test/gateway/upstream/selector.test.ts'
const BALANCE = 'test/gateway/upstream/balance.test.ts'
const STRICT = 'test/gateway/http1/strict.test.ts'

/** Faults of the data plane: where a message ends, and where a request goes. */
export const GATEWAY_MUTANTS: readonly Mutant[] = [
  {
    name: 'framing-takes-length-beside-chunks',
    fatal: 'a request that the target reads otherwise carries a second one past every check',
    file: 'gateway/http1/framing.ts',
    text: `if (this.contentLength !== null) return BOTH`,
    replacement: `if (minor < 0) return BOTH`,
    suites: [STRICT],
  },
  {
    name: 'framing-takes-what-ends-in-chunked',
    fatal: 'a coding that others do not know as chunked is: TE.TE',
    file: 'gateway/http1/framing.ts',
    text: `if (equalsLower(bytes, from, to, 'chunked')) {`,
    replacement: `if (equalsLower(bytes, to - 7, to, 'chunked')) {`,
    suites: [STRICT],
  },
  {
    name: 'breaker-half-open-lets-all-through',
    fatal: 'targets that just fell over get the whole load for a probe',
    file: 'gateway/upstream/breaker.ts',
    text: `if (this.#probesUnderWay + this.#probesGood >= this.#options.probes) return REFUSED`,
    replacement: `if (this.#probesUnderWay + this.#probesGood >= Infinity) return REFUSED`,
    suites: [BREAKER],
  },
  {
    name: 'breaker-hears-old-news',
    fatal: 'a slow request from before it opened closes it, or opens it anew',
    file: 'gateway/upstream/breaker.ts',
    text: `if (permit !== this.#stretch) return`,
    replacement: `if (permit < 0) return`,
    suites: [BREAKER],
  },
  {
    name: 'ejection-takes-all-targets',
    fatal: 'a fault that all targets have in common leaves nobody to ask',
    file: 'gateway/upstream/selector.ts',
    text: `return ejected < Math.max(1, Math.floor((count * percentMax) / 100))`,
    replacement: `return ejected < Math.max(count, percentMax)`,
    suites: [SELECTOR],
  },
  {
    name: 'panic-leaves-nobody',
    fatal: 'health checks that go wrong take a whole upstream away',
    file: 'gateway/upstream/selector.ts',
    text: `this.#choosable = this.#isPanic ? all : well`,
    replacement: `this.#choosable = well`,
    suites: [SELECTOR],
  },
  {
    name: 'hash-forgets-the-target',
    fatal: 'every client goes to the same target',
    file: 'gateway/upstream/balance.ts',
    text: `const lot = (mix(client ^ target.seed) + 1) / 0x1_0000_0001`,
    replacement: `const lot = (mix(client) + 1) / 0x1_0000_0001`,
    suites: [BALANCE],
  },
]
