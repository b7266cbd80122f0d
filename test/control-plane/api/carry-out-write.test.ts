import { expect, test } from 'vitest'
import { localCaller } from '../../../control-plane/access/caller.ts'
import { carryOutWrite, type ArrivedWrite } from '../../../control-plane/api/carry-out-write.ts'
import { RaftwayError } from '../../../shared/errors.ts'

const write: ArrivedWrite = {
  method: 'POST',
  target: '/v1/transactions',
  headers: {},
  body: Buffer.alloc(0),
  isForwarded: false,
  caller: localCaller('127.0.0.1'),
  options: { key: 'k', author: 'a', dryRun: false },
  plan: () => Promise.reject(new Error('only the leader plans')),
}

test.each(['TIMEOUT', 'STOPPING'] as const)(
  'a write that stands is not refused with what keeps this node from applying it: %s',
  async (code) => {
    const api = {
      plane: {
        state: { revision: 6 },
        write: () => Promise.reject(new Error('this node does not lead')),
        waitForRevision: () => Promise.reject(new RaftwayError(code, 'why it is not here')),
      },
      forwarder: { carryOut: () => Promise.resolve({ status: 200, revision: 7, body: {} }) },
      bounds: { catchUpMs: 100 },
    }
    await expect(carryOutWrite(api, write)).rejects.toMatchObject({
      code: 'TIMEOUT',
      extra: { revision: 7 },
    })
  },
)
