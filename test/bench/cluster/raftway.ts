// The calls of Raftway as bytes, and what both sides store.
import type { Client } from './load.ts'
import { cyclic, type KeyValue } from './etcd.ts'
import { RawHttp, requestBytes } from './raw-http.ts'

/** Definitions that the load goes round over. */
export const KEYS = 1_000
/** Times the round is gone before the same texts come again: a write always changes something. */
const VARIANTS = 3

type Written = { readonly name: string; readonly body: object }

/** The definitions of one load: about 300 bytes each, every name once a round. */
const WRITES: readonly Written[] = Array.from({ length: KEYS * VARIANTS }, (_, at) => ({
  name: `service-${at % KEYS}`,
  body: {
    labels: { team: `team-${at % 10}` },
    spec: {
      hosts: [`host-${at % 50}.example.com`],
      routes: [
        {
          path: `/service-${at % KEYS}/`,
          methods: ['GET', 'POST', 'PUT'],
          rewrite: { prefix: `/variant-${Math.floor(at / KEYS)}/` },
        },
      ],
      upstream: {
        targets: [{ url: 'http://10.0.0.1:9000' }, { url: 'http://10.0.0.2:9000' }],
      },
    },
  },
}))

/** The same definitions as etcd stores them: the text of the body under the name. */
export const PAIRS: readonly KeyValue[] = WRITES.map(({ name, body }) => ({
  key: `/definitions/api/${name}`,
  value: JSON.stringify(body),
}))

/** Definitions in one transaction. */
export const GROUP = 100

/** Items in groups, as transactions take them. */
export function grouped<T>(items: readonly T[]): readonly (readonly T[])[] {
  const groups: T[][] = []
  for (let at = 0; at < items.length; at += GROUP) groups.push(items.slice(at, at + GROUP))
  return groups
}

export const RAFTWAY_PUTS: readonly Buffer[] = WRITES.map(({ name, body }) =>
  requestBytes('PUT', `/v1/apis/${name}`, body),
)

export const RAFTWAY_TRANSACTIONS: readonly Buffer[] = grouped(WRITES).map((group) => {
  const operations = group.map(({ name, body }) => ({ op: 'put', kind: 'Api', name, ...body }))
  return requestBytes('POST', '/v1/transactions', { operations })
})

export const RAFTWAY_GETS: readonly Buffer[] = WRITES.slice(0, KEYS).map(({ name }) =>
  requestBytes('GET', `/v1/apis/${name}`, undefined),
)

/** A client of one node. */
export async function raftwayClient(port: number, requests: readonly Buffer[]): Promise<Client> {
  const connection = await RawHttp.open(port)
  return {
    async call(at) {
      const { status, body } = await connection.call(cyclic(requests, at))
      if (status >= 300) throw new Error(`raftway answered ${status}: ${body.toString()}`)
    },
    close: () => connection.close(),
  }
}
