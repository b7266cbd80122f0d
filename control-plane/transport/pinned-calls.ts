import { RaftwayError } from '../../shared/errors.ts'
import type { Clock } from '../clock.ts'
import type { PeerIdentity, Transport } from '../ports.ts'
import { CallClient } from './call-client.ts'
import { dial } from './greeting.ts'
import { pinnedLinks } from './tls-links.ts'

/** Calls of a node that has no certificate, to nodes whose authority has this fingerprint: it may only ask for one. */
export function openPinnedCalls(options: {
  readonly fingerprint: string
  readonly self: () => PeerIdentity
  readonly clock: Clock
}): { readonly call: Transport['call']; close(): void } {
  const { fingerprint, self, clock } = options
  const links = pinnedLinks(fingerprint, clock)
  const calls = new CallClient({
    self,
    dial: (peer, adopt, signal) =>
      dial({ links, peer, purpose: 'enrol', self: self(), expected: null, adopt, signal }),
  })
  return {
    call: (peer, note, timeoutMs) => calls.call(peer, note, timeoutMs),
    close: () => calls.close(new RaftwayError('STOPPING', 'the node has its certificate')),
  }
}
