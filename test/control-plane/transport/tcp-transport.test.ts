// Goal: what ports.ts promises of peer links holds on real sockets, whatever happens to the bytes and to the peers.
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { RaftwayError } from '../../../shared/errors.ts'
import { encodeFrame } from '../../../shared/framing.ts'
import { PEER_HELLO_BYTES_MAX, PEER_QUEUE_BYTES_MAX } from '../../../shared/limits.ts'
import type { Message, NodeAddress } from '../../../control-plane/ports.ts'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import { tcpLinks } from '../../../control-plane/transport/links.ts'
import { encodeHello, FRAME } from '../../../control-plane/transport/wire.ts'
import { TestNodes, until, type TestNode } from './nodes.ts'

const nodes = new TestNodes()
afterEach(() => nodes.closeAll())

function append(from: TestNode, to: TestNode, index: number, bytes = 128): Message {
  const entry = makeEntry({ term: 1, index }, 'normal', Buffer.alloc(bytes, index))
  const prev = { term: 1, index: index - 1 }
  return { type: 'app', from: from.id, to: to.id, term: 1, prev, entries: [entry], commit: 0 }
}

function beat(from: TestNode, to: TestNode, commit: number): Message {
  return { type: 'heartbeat', from: from.id, to: to.id, term: 1, commit, context: '' }
}

function at(node: TestNode, peer: string): NodeAddress {
  return { id: node.id, name: node.address.name, api: '', peer }
}

/** Two members that are connected both ways. */
async function pair(): Promise<[TestNode, TestNode]> {
  const a = await nodes.open(1)
  const b = await nodes.open(2)
  a.transport.setPeers([a.address, b.address])
  b.transport.setPeers([a.address, b.address])
  await until(
    'connected',
    () => a.transport.lastHeardMs(2) !== null && b.transport.lastHeardMs(1) !== null,
  )
  return [a, b]
}

function commits(node: TestNode): number[] {
  return node.handler.messages.map((message) =>
    message.type === 'heartbeat' ? message.commit : -1,
  )
}

describe('messages', () => {
  test('arrive in order, each once, under load from both sides', async () => {
    const [a, b] = await pair()
    const count = 20_000
    for (let i = 1; i <= count; i++) {
      expect(a.transport.send(append(a, b, i))).toBe(true)
      expect(b.transport.send(beat(b, a, i))).toBe(true)
      // Turns of the event loop fall between some of them.
      if (i % 997 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(
      'all arrived',
      () => b.handler.messages.length >= count && a.handler.messages.length >= count,
    )
    const indexes = b.handler.messages.map((message) =>
      message.type === 'app' ? message.entries[0]?.index : null,
    )
    expect(indexes).toEqual(Array.from({ length: count }, (_, i) => i + 1))
    expect(commits(a)).toEqual(Array.from({ length: count }, (_, i) => i + 1))
    expect(b.handler.messages[776]).toMatchObject({ entries: [{ data: Buffer.alloc(128, 777) }] })
  })

  test('sent while the link is being opened wait for it', async () => {
    const a = await nodes.open(1)
    const b = await nodes.open(2)
    a.transport.setPeers([b.address])
    expect(a.transport.send(beat(a, b, 1))).toBe(true)
    expect(a.transport.sendNote(2, { type: 'greeting', body: { text: 'hello' } })).toBe(true)
    await until('arrived', () => b.handler.notes.length === 1)
    expect(commits(b)).toEqual([1])
    expect(b.handler.notes).toEqual([
      { from: 1, note: { type: 'greeting', body: { text: 'hello' } } },
    ])
  })

  test('to nobody known are dropped', async () => {
    const [a, b] = await pair()
    expect(a.transport.send({ ...beat(a, b, 1), to: 77 })).toBe(false)
    expect(a.transport.sendNote(77, { type: 'x', body: null })).toBe(false)
    expect(a.transport.lastHeardMs(77)).toBeNull()
  })

  test('meant for the node that had this id before are not delivered', async () => {
    const [a, b] = await pair()
    b.identity = { ...b.identity, id: 9 }
    a.transport.send(beat(a, b, 1))
    b.identity = { ...b.identity, id: 9 }
    a.transport.sendNote(2, { type: 'after', body: null })
    await until('the note behind it arrived', () => b.handler.notes.length === 1)
    expect(b.handler.messages).toEqual([])
  })

  test('are refused beyond the bound of the queue, and the rest arrives', async () => {
    const a = await nodes.open(1)
    const b = await nodes.open(2)
    const relay = await nodes.relay(b.address.peer)
    b.identity = { ...b.identity, peer: relay.address }
    a.transport.setPeers([at(b, relay.address)])
    await until('connected', () => a.transport.lastHeardMs(2) !== null)
    // Nothing is read within one turn of the event loop, so that everything queues up.
    const size = 1024 * 1024
    let taken = 0
    while (taken < 1_000 && a.transport.send(append(a, b, taken + 1, size))) taken++
    expect(taken * size).toBeLessThanOrEqual(PEER_QUEUE_BYTES_MAX)
    expect(taken * size).toBeGreaterThan(PEER_QUEUE_BYTES_MAX - 2 * size)
    await until('the queue arrived', () => b.handler.messages.length === taken)
    expect(a.transport.send(append(a, b, 1))).toBe(true)
  })
})

describe('a link', () => {
  test('heals when the peer restarts on the same port', async () => {
    const [a, b] = await pair()
    await b.transport.close()
    await until('the loss is reported', () => a.handler.unreachable.includes(2))
    await until('messages are dropped', () => !a.transport.send(beat(a, b, 1)))
    const again = await nodes.open(2, { port: b.transport.port })
    await until('messages pass', () => {
      a.transport.send(beat(a, again, 2))
      return again.handler.messages.length > 0
    })
    expect(commits(again).every((commit) => commit === 2)).toBe(true)
  })

  test('is dialled at once when the peer dials this node', async () => {
    const a = await nodes.open(1)
    const b = await nodes.open(2)
    await b.transport.close()
    a.transport.setPeers([b.address])
    // By now the pauses between attempts are long.
    await until('several attempts failed', () => a.handler.unreachable.length >= 5)
    const again = await nodes.open(2, { port: b.transport.port })
    const startMs = performance.now()
    again.transport.setPeers([a.address])
    await until(
      'both ways',
      () => a.transport.send(beat(a, again, 1)) && again.handler.messages.length > 0,
    )
    expect(performance.now() - startMs).toBeLessThan(400)
  })

  test('drops what was queued when it broke, and never reorders', async () => {
    const a = await nodes.open(1)
    const b = await nodes.open(2)
    const relay = await nodes.relay(b.address.peer)
    b.identity = { ...b.identity, peer: relay.address }
    a.transport.setPeers([at(b, relay.address)])
    await until('connected', () => a.transport.lastHeardMs(2) !== null)
    let sent = 0
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 200; i++) a.transport.send(beat(a, b, ++sent))
      await until('some arrived', () => (commits(b).at(-1) ?? 0) > sent - 200)
      for (let i = 0; i < 200; i++) a.transport.send(beat(a, b, ++sent))
      relay.cut()
      await until('healed', () => {
        a.transport.send(beat(a, b, ++sent))
        return (commits(b).at(-1) ?? 0) > sent - 5
      })
    }
    const heard = commits(b)
    expect(heard).toEqual([...new Set(heard)].toSorted((x, y) => x - y))
    expect(relay.connections).toBeGreaterThan(4)
  })

  test('closes on a damaged frame, delivers nothing of it, and heals', async () => {
    const a = await nodes.open(1)
    const b = await nodes.open(2)
    const relay = await nodes.relay(b.address.peer)
    b.identity = { ...b.identity, peer: relay.address }
    a.transport.setPeers([at(b, relay.address)])
    await until('connected', () => a.transport.lastHeardMs(2) !== null)
    relay.spoil = (chunk) => {
      const copy = Buffer.from(chunk)
      copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 0x40
      return copy
    }
    a.transport.send(append(a, b, 1))
    await until('the loss is reported', () => a.handler.unreachable.includes(2))
    expect(b.handler.messages).toEqual([])
    relay.spoil = (chunk) => chunk
    await until('healed', () => {
      a.transport.send(append(a, b, 2))
      return b.handler.messages.length > 0
    })
    expect(b.handler.messages[0]).toMatchObject({ entries: [{ index: 2 }] })
  })

  test('follows a member to its new address, and ends with its membership', async () => {
    const [a, b] = await pair()
    const moved = await nodes.open(2)
    a.transport.setPeers([moved.address])
    await until('the new address is used', () => {
      a.transport.send(beat(a, moved, 5))
      return moved.handler.messages.length > 0
    })
    expect(b.handler.messages).toEqual([])
    await moved.transport.close()
    a.transport.setPeers([])
    await b.transport.close()
    await until('nobody is left', () => !a.transport.send(beat(a, moved, 6)))
    expect(a.transport.lastHeardMs(2)).toBeNull()
  })

  test('goes to where a member says that it is, until membership says something new', async () => {
    const [a, b] = await pair()
    await b.transport.close()
    const moved = await nodes.open(2)
    // Nobody told `a`: the member itself dials it from its new address.
    moved.transport.setPeers([a.address])
    await until('the new address is used', () => {
      a.transport.send(beat(a, moved, 5))
      return moved.handler.messages.length > 0
    })
    expect(a.transport.learned(2)).toMatchObject({ peer: moved.address.peer })
    // What the log says of it in the meantime is older than its own word.
    a.transport.setPeers([at(b, '127.0.0.1:1')])
    expect(a.transport.learned(2)).toMatchObject({ peer: moved.address.peer })
    a.transport.setPeers([moved.address])
    expect(a.transport.learned(2)).toBeNull()
    await moved.transport.close()
    await until('it hung up', () => a.handler.unreachable.includes(2))
    const last = await nodes.open(2)
    a.transport.learn(moved.address)
    a.transport.learn({ ...last.address, id: 9 })
    expect(a.transport.learned(9)).toBeNull()
    a.transport.setPeers([last.address])
    await until('membership decides where nobody speaks', () => {
      a.transport.send(beat(a, last, 6))
      return last.handler.messages.length > 0
    })
  })

  test('of a guest that turns out to be a member stays where the guest is', async () => {
    const a = await nodes.open(1)
    const leader = await nodes.open(2)
    leader.transport.setPeers([a.address])
    await until('the guest is heard', () => {
      leader.transport.send(beat(leader, a, 5))
      return a.handler.messages.length > 0
    })
    // The membership that comes with a snapshot is as old as the snapshot.
    a.transport.setPeers([at(leader, '127.0.0.1:1')])
    await until('the answer finds it', () => {
      a.transport.send(beat(a, leader, 6))
      return leader.handler.messages.length > 0
    })
    expect(a.transport.learned(2)).toMatchObject({ peer: leader.address.peer })
  })

  test('to a name is looked up anew at every attempt', async () => {
    const b = await nodes.open(2)
    let known: readonly string[] | null = null
    const lookup = {
      addresses: (host: string) =>
        known === null
          ? Promise.reject(new Error(`no such name: ${host}`))
          : Promise.resolve(known),
      services: () => Promise.resolve([]),
    }
    const a = await nodes.open(1, { links: tcpLinks(lookup) })
    a.transport.setPeers([at(b, `b.test:${b.transport.port}`)])
    await until('it is not there yet', () => a.handler.unreachable.includes(2))
    known = ['127.0.0.1']
    await until('now it is', () => {
      a.transport.send(beat(a, b, 1))
      return b.handler.messages.length > 0
    })
    expect(commits(b)[0]).toBe(1)
  })

  test('is not made with another node that answers at the address', async () => {
    const a = await nodes.open(1)
    const c = await nodes.open(3)
    a.transport.setPeers([{ ...c.address, id: 2 }])
    await until('refused', () => a.handler.unreachable.includes(2))
    expect(a.transport.lastHeardMs(2)).toBeNull()
  })
})

describe('who may do what', () => {
  test('a node of another cluster is refused, with the reason', async () => {
    const a = await nodes.open(1)
    const b = await nodes.open(2, { clusterId: 'two' })
    a.transport.setPeers([b.address])
    await until('refused', () => a.handler.unreachable.includes(2))
    await expect(
      a.transport.call(b.address.peer, { type: 'hello', body: null }, 1_000),
    ).rejects.toMatchObject({
      code: 'PEER_REFUSED',
      message: expect.stringMatching(/cluster two.*one/),
    })
    expect(b.handler.messages).toEqual([])
  })

  test('a node without a cluster may call, and nothing else', async () => {
    const a = await nodes.open(1, { clusterId: null })
    const b = await nodes.open(2)
    b.handler.answer = (from) => Promise.resolve({ youAre: from.clusterId })
    const { from, body } = await a.transport.call(
      b.address.peer,
      { type: 'hello', body: null },
      1_000,
    )
    expect(from).toEqual(b.address)
    expect(body).toEqual({ youAre: null })
    a.transport.setPeers([b.address])
    await until('refused', () => a.handler.unreachable.includes(2))
    expect(b.transport.lastHeardMs(1)).toBeNull()
  })

  test('a member that this node does not know yet is heard, and answered while it stays', async () => {
    const a = await nodes.open(1)
    const b = await nodes.open(2)
    a.transport.setPeers([b.address])
    a.transport.send(beat(a, b, 1))
    await until('heard', () => b.handler.messages.length === 1)
    await until('answered', () => {
      b.transport.send(beat(b, a, 2))
      return a.handler.messages.length > 0
    })
    expect(commits(a)[0]).toBe(2)
    await a.transport.close()
    await until('it has left', () => b.transport.lastHeardMs(1) === null)
    expect(b.transport.send(beat(b, a, 3))).toBe(false)
  })

  test('what a node is becomes known with its next answer', async () => {
    const a = await nodes.open(1, { clusterId: null })
    const b = await nodes.open(2, { clusterId: null })
    b.handler.answer = (from) => Promise.resolve(from.clusterId)
    const hello = { type: 'hello', body: null }
    expect((await a.transport.call(b.address.peer, hello, 1_000)).from.clusterId).toBeNull()
    b.identity = { ...b.identity, clusterId: 'one' }
    expect((await a.transport.call(b.address.peer, hello, 1_000)).from.clusterId).toBe('one')
    a.identity = { ...a.identity, clusterId: 'one' }
    expect((await a.transport.call(b.address.peer, hello, 1_000)).body).toBe('one')
  })
})

describe('calls', () => {
  test('many at once get their own answers, in whatever order they come', async () => {
    const [a, b] = await pair()
    const waiting: (() => void)[] = []
    b.handler.answer = (_from, call) =>
      new Promise((resolve) => {
        waiting.push(() => resolve({ echo: call.body }))
      })
    const answers = Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        a.transport.call(b.address.peer, { type: 'echo', body: i }, 5_000),
      ),
    )
    await until('all asked', () => waiting.length === 100)
    for (const answer of waiting.toReversed()) answer()
    expect((await answers).map(({ body }) => body)).toEqual(
      Array.from({ length: 100 }, (_, i) => ({ echo: i })),
    )
  })

  test('fail with what the peer says, with its code, issues and further members', async () => {
    const [a, b] = await pair()
    b.handler.answer = () =>
      Promise.reject(
        new RaftwayError('REVISION_CONFLICT', 'too old', {
          issues: [{ path: 'a.b', message: 'wrong' }],
          extra: { currentRevision: 7 },
        }),
      )
    const error = await a.transport
      .call(b.address.peer, { type: 'x', body: null }, 1_000)
      .catch((e: unknown) => e)
    expect(error).toBeInstanceOf(RaftwayError)
    expect(error).toMatchObject({
      code: 'REVISION_CONFLICT',
      message: 'too old',
      issues: [{ path: 'a.b', message: 'wrong' }],
      extra: { currentRevision: 7 },
    })
  })

  test('keep what is none of the caller’s business to themselves', async () => {
    const [a, b] = await pair()
    b.handler.answer = () => Promise.reject(new Error('/secret/path'))
    const error = await a.transport
      .call(b.address.peer, { type: 'x', body: null }, 1_000)
      .catch(String)
    expect(error).not.toContain('secret')
    expect(error).toContain('the peer failed')
  })

  test('end with TIMEOUT, PEER_UNREACHABLE, INVALID_REQUEST or STOPPING when there is no answer', async () => {
    const [a, b] = await pair()
    b.handler.answer = () => new Promise(() => {})
    const note = { type: 'x', body: null }
    const call = (peer: string, timeoutMs: number) => a.transport.call(peer, note, timeoutMs)
    await expect(call(b.address.peer, 20)).rejects.toMatchObject({ code: 'TIMEOUT' })
    const broken = call(b.address.peer, 5_000).catch((error: unknown) => error)
    await b.transport.close()
    expect(await broken).toMatchObject({ code: 'PEER_UNREACHABLE' })
    await expect(call(b.address.peer, 5_000)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await expect(call('no address', 5_000)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    const c = await nodes.open(3)
    c.handler.answer = () => new Promise(() => {})
    const stopped = call(c.address.peer, 5_000).catch((error: unknown) => error)
    await a.transport.close()
    expect(await stopped).toMatchObject({ code: 'STOPPING' })
    await expect(call(c.address.peer, 5_000)).rejects.toMatchObject({ code: 'STOPPING' })
  })

  test('may go to this node itself', async () => {
    const a = await nodes.open(1)
    const { from, body } = await a.transport.call(a.address.peer, { type: 'x', body: [1] }, 1_000)
    expect([from.id, body]).toEqual([1, [1]])
  })
})

describe('strangers', () => {
  /** What comes back, until the connection closes. */
  function talk(peer: string, bytes: Uint8Array): Promise<Buffer> {
    const [host, port] = peer.split(':')
    return new Promise((resolve) => {
      const heard: Buffer[] = []
      const socket = connect(Number(port), host ?? '')
      socket.on('data', (chunk: Buffer) => heard.push(chunk))
      socket.on('error', () => {})
      socket.on('close', () => resolve(Buffer.concat(heard)))
      socket.write(bytes)
    })
  }

  test('are hung up on when they do not speak the protocol', async () => {
    const a = await nodes.open(1)
    const { peer } = a.address
    expect(await talk(peer, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))).toHaveLength(0)
    expect(await talk(peer, encodeFrame(FRAME.message, Buffer.from('hello')))).toHaveLength(0)
    expect(await talk(peer, encodeFrame(FRAME.hello, Buffer.from('{"protocol":1}')))).toHaveLength(
      0,
    )
    expect(
      await talk(peer, encodeFrame(FRAME.hello, Buffer.alloc(PEER_HELLO_BYTES_MAX, 32))),
    ).toHaveLength(0)
    // And the node is none the worse.
    expect((await a.transport.call(peer, { type: 'x', body: 1 }, 1_000)).body).toBe(1)
  })

  test('of another protocol are told so', async () => {
    const a = await nodes.open(1)
    const hello = JSON.stringify({ ...a.address, id: 2, protocol: 99, purpose: 'calls' })
    const heard = await talk(a.address.peer, encodeFrame(FRAME.hello, Buffer.from(hello)))
    expect(heard.toString()).toContain('speaks protocol 1')
  })

  test('of another release talk while there is a protocol that both speak', async () => {
    const a = await nodes.open(1, { protocols: { min: 2, max: 3 } })
    const b = await nodes.open(2, { protocols: { min: 1, max: 2 } })
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const answer = await from.transport.call(to.address.peer, { type: 'x', body: 1 }, 1_000)
      expect(answer.body).toBe(1)
    }
  })

  test('of a release too far away are told who must be upgraded', async () => {
    const a = await nodes.open(1, { protocols: { min: 2, max: 3 } })
    const old = await nodes.open(2, { protocols: { min: 1, max: 1 } })
    old.identity = { ...old.identity, release: { version: '0.0.9', featureLevel: 1 } }
    for (const [from, to] of [
      [a, old],
      [old, a],
    ] as const) {
      const call = from.transport.call(to.address.peer, { type: 'x', body: 1 }, 1_000)
      await expect(call).rejects.toMatchObject({
        code: 'PEER_REFUSED',
        message: expect.stringMatching(/n2 \(raftway 0\.0\.9\)/),
      })
      await expect(call).rejects.toThrow(/upgrade n2/)
    }
  })

  test('that send a frame beyond the bound are hung up on before it is read', async () => {
    const a = await nodes.open(1)
    const huge = Buffer.alloc(8)
    huge.writeUInt32BE(0xffff_ffff)
    const hello = encodeHello({ ...a.address, id: 2 }, 'messages')
    const heard = await talk(a.address.peer, Buffer.concat([hello, huge]))
    expect(heard.length).toBeLessThan(300)
  })

  test('on the other end of a dialled address end the attempt, not the process', async () => {
    const a = await nodes.open(1)
    const answers = [
      Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
      encodeFrame(FRAME.welcome, Buffer.from('[]')),
    ]
    for (const answer of answers) {
      const peer = await nodes.server((socket) => socket.write(answer))
      await expect(a.transport.call(peer, { type: 'x', body: 1 }, 2_000)).rejects.toMatchObject({
        code: 'FRAME_CORRUPT',
      })
    }
    const silent = await nodes.server(() => {})
    await expect(a.transport.call(silent, { type: 'x', body: 1 }, 100)).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
  })
})

test('close is prompt with links in every state, and nothing is delivered after it', async () => {
  const [a, b] = await pair()
  const silent = await nodes.server(() => {})
  a.transport.setPeers([
    b.address,
    { ...b.address, id: 3, peer: silent },
    { ...b.address, id: 4, peer: '127.0.0.1:1' },
  ])
  void a.transport.call(silent, { type: 'x', body: 1 }, 60_000).catch(() => {})
  for (let i = 0; i < 1_000; i++) b.transport.send(beat(b, a, i))
  const startMs = performance.now()
  await a.transport.close()
  expect(performance.now() - startMs).toBeLessThan(1_000)
  const heard = a.handler.messages.length
  const lost = a.handler.unreachable.length
  await until('b noticed', () => b.handler.unreachable.includes(1))
  expect(a.handler.messages).toHaveLength(heard)
  expect(a.handler.unreachable).toHaveLength(lost)
  expect(a.transport.send(beat(a, b, 1))).toBe(false)
})
