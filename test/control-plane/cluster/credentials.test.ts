// Goal: a node always has a valid certificate for what it is now, and its secrets are its owner's alone.
import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openAuthority } from '../../../control-plane/cluster/authority.ts'
import { CredentialFiles, type SeedSeal } from '../../../control-plane/cluster/credential-files.ts'
import { Credentials, type Subject } from '../../../control-plane/cluster/credentials.ts'
import { seedSeal } from '../../../control-plane/cluster/seed-seal.ts'
import { readSealKeys, type SealKeys } from '../../../shared/definitions/seal.ts'
import { RaftwayError } from '../../../shared/errors.ts'
import { LineLogger } from '../tls/certificates.ts'
import { ManualClock } from '../manual-clock.ts'

const SEED = randomBytes(32)
const LIFETIME_MS = 30_000
const SUBJECT: Subject = {
  name: 'n1',
  nodeId: 1,
  clusterId: null,
  hosts: ['localhost', '127.0.0.1'],
}

let dir = ''
let clock: ManualClock
let log: LineLogger
const opened: Credentials[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'raftway-credentials-'))
  clock = new ManualClock()
  log = new LineLogger()
})
afterEach(async () => {
  for (const credentials of opened.splice(0)) credentials.close()
  await rm(dir, { recursive: true })
})

function sealKeys(): SealKeys {
  const read = readSealKeys(randomBytes(32).toString('hex'))
  if (!read.ok) throw new Error(read.message)
  return read.keys
}

function files(seal: SeedSeal = seedSeal([])): CredentialFiles {
  return new CredentialFiles(dir, seal)
}

async function open(subject: Subject = SUBJECT, seal?: SeedSeal): Promise<Credentials> {
  const parts = { files: files(seal), clock, logger: log, lifetimeMs: LIFETIME_MS }
  const credentials = await Credentials.own(await openAuthority(SEED), subject, parts)
  opened.push(credentials)
  return credentials
}

const renewed = (credentials: Credentials): Promise<void> =>
  new Promise((resolve) => {
    credentials.onRenewal(resolve)
  })

describe('on disk', () => {
  test('only the owner can read anything of it', async () => {
    await open()
    const tls = join(dir, 'tls')
    expect((await stat(tls)).mode & 0o777).toBe(0o700)
    const names = await readdir(tls)
    expect(names.toSorted()).toEqual(['authority.crt', 'authority.seed', 'node.pem'])
    for (const name of names) expect((await stat(join(tls, name))).mode & 0o777).toBe(0o600)
  })

  test('a restart goes on with the same certificate', async () => {
    const first = (await open()).identity
    expect((await open()).identity).toEqual(first)
  })

  test('a damaged pair is replaced, a damaged seed is not', async () => {
    const first = (await open()).identity
    await writeFile(
      join(dir, 'tls/node.pem'),
      (await readFile(join(dir, 'tls/node.pem'))).subarray(9),
    )
    await expect(files().readPair()).resolves.not.toBeNull()
    expect((await open()).identity.serial).not.toBe(first.serial)
    await writeFile(join(dir, 'tls/authority.seed'), 'abc')
    const refusal = await files()
      .readSeed()
      .catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(RaftwayError)
    expect(refusal).toMatchObject({ code: 'STORAGE_CORRUPT' })
    expect(String(refusal)).not.toContain('abc')
  })

  test('a seal hides the seed, takes over one that was not sealed, and is asked for by name', async () => {
    await open()
    const keys = sealKeys()
    expect((await files(seedSeal(keys)).readSeed())?.length).toBe(32)
    await open(SUBJECT, seedSeal(keys))
    const text = await readFile(join(dir, 'tls/authority.seed'), 'utf8')
    expect(text).not.toContain(SEED.toString('base64url'))
    expect(Buffer.from((await files(seedSeal(keys)).readSeed()) ?? []).equals(SEED)).toBe(true)
    for (const wrong of [[], sealKeys()]) {
      await expect(files(seedSeal(wrong)).readSeed()).rejects.toMatchObject({
        code: 'SEAL_KEY_MISSING',
      })
    }
    await writeFile(join(dir, 'tls/authority.seed'), text.slice(0, 30))
    await expect(files(seedSeal(keys)).readSeed()).rejects.toMatchObject({
      code: 'STORAGE_CORRUPT',
    })
  })

  test('no log line has a key or the seed in it', async () => {
    const credentials = await open()
    clock.pass(LIFETIME_MS * 0.7)
    await renewed(credentials)
    const text = log.lines.join('\n')
    expect(text).toContain('this node has a new certificate')
    expect(text).not.toContain(SEED.toString('base64url'))
    expect(text).not.toContain('PRIVATE KEY')
  })
})

describe('a certificate', () => {
  test('is renewed with another key when two thirds of its life are over, and not before', async () => {
    const credentials = await open()
    const before = { ...credentials.pair, ...credentials.identity }
    clock.pass(LIFETIME_MS / 2)
    await credentials.describe(SUBJECT)
    expect(credentials.identity.serial).toBe(before.serial)
    const done = renewed(credentials)
    clock.pass(LIFETIME_MS / 4)
    await done
    expect(credentials.identity.serial).not.toBe(before.serial)
    expect(credentials.pair.key).not.toBe(before.key)
    expect(credentials.identity.validToMs).toBeGreaterThan(before.validToMs)
    expect((await files().readPair())?.key).toBe(credentials.pair.key)
  })

  test('is made anew when the node turns out to be something else', async () => {
    const credentials = await open()
    await credentials.describe({ ...SUBJECT, clusterId: 'c1' })
    expect(credentials.identity).toMatchObject({ name: 'n1', clusterId: 'c1' })
    const other = await open({ ...SUBJECT, clusterId: 'c1', hosts: ['n1.example.com'] })
    expect(new X509Certificate(other.pair.cert).checkHost('n1.example.com')).toBe('n1.example.com')
  })

  test('that expired while the node was down is replaced at its start', async () => {
    const first = (await open()).identity
    clock.pass(LIFETIME_MS * 2)
    expect((await open()).identity.serial).not.toBe(first.serial)
  })

  test('lent by another node serves until it ends, and is renewed once the seed is here', async () => {
    const authority = await openAuthority(SEED)
    await open()
    const pair = await files().readPair()
    if (pair === null) throw new Error('there is a pair')
    const parts = { files: files(), clock, logger: log, lifetimeMs: LIFETIME_MS }
    const lend = (subject: Subject) => Credentials.lent(authority.certificate, pair, subject, parts)
    expect(lend({ ...SUBJECT, nodeId: 2 })).toBeNull()
    expect(lend({ ...SUBJECT, name: 'n2' })).toBeNull()
    const credentials = lend(SUBJECT)
    if (credentials === null) throw new Error('the pair is good')
    opened.push(credentials)
    expect(credentials.seed).toBeNull()
    await expect(credentials.takeSeed(randomBytes(32))).rejects.toMatchObject({
      code: 'PEER_REFUSED',
    })
    const done = renewed(credentials)
    clock.pass(LIFETIME_MS * 0.8)
    await credentials.describe(SUBJECT)
    expect(log.has('no member has handed over the cluster authority yet')).toBe(true)
    await credentials.takeSeed(SEED)
    clock.pass(2_000)
    await done
    expect(credentials.seed).toEqual(SEED)
    clock.pass(LIFETIME_MS)
    expect(lend(SUBJECT)).toBeNull()
  })
})
