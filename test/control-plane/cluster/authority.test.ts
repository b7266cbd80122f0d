import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openAuthority } from '../../../control-plane/cluster/authority.ts'
import { fingerprintOf, judgeCertificate, readCertificate } from '../../../shared/certificate.ts'
import { anAuthority, aPair } from '../tls/certificates.ts'

const NOW = Date.now()

describe('an authority', () => {
  test('is the same to the byte wherever the same seed is opened', async () => {
    const seed = Buffer.alloc(32, 7)
    const [one, two] = [await openAuthority(seed), await openAuthority(Buffer.from(seed))]
    expect(one.certificate.raw.equals(two.certificate.raw)).toBe(true)
    // Nodes of different versions found clusters together: this changes only with a new kind of founding token.
    expect(one.fingerprint).toBe('4631cb333c3eebdc25efd0e44668323793ade1db')
  })

  test('of another seed is another one', async () => {
    const [one, two] = [await anAuthority(), await anAuthority()]
    expect(one.fingerprint).not.toBe(two.fingerprint)
    expect(one.certificate.publicKey.equals(two.certificate.publicKey)).toBe(false)
  })

  test('signs itself, for a hundred years, and may sign nothing but ends of chains', async () => {
    const { certificate } = await anAuthority()
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.ca).toBe(true)
    expect(certificate.validFromDate.getUTCFullYear()).toBe(2020)
    expect(certificate.validToDate.getUTCFullYear()).toBe(2119)
  })

  test('has a fingerprint of 160 bits that differs with every bit of the certificate', async () => {
    const { certificate, fingerprint } = await anAuthority()
    const changed = Buffer.from(certificate.raw)
    changed[100] = (changed[100] ?? 0) ^ 1
    expect(fingerprint).toMatch(/^[0-9a-f]{40}$/)
    expect(fingerprintOf(changed)).not.toBe(fingerprint)
  })
})

describe('a certificate', () => {
  test('says who it is for, and by which names it is reached', async () => {
    const authority = await anAuthority()
    const { cert } = await aPair(authority, {
      nodeId: 281_474_976_710_655,
      name: 'n1.eu',
      clusterId: 'c0ffee',
      hosts: ['api.example.com', 'localhost', '10.0.0.7', '::1'],
    })
    const certificate = new X509Certificate(cert)
    expect(judgeCertificate(certificate, authority.certificate, NOW)).toMatchObject({
      ok: true,
      identity: { role: 'node', name: 'n1.eu', nodeId: 281_474_976_710_655, clusterId: 'c0ffee' },
    })
    expect(certificate.checkHost('api.example.com')).toBe('api.example.com')
    expect(certificate.checkHost('evil.example.com')).toBeUndefined()
    expect(certificate.checkIP('10.0.0.7')).toBe('10.0.0.7')
    expect(certificate.checkIP('::1')).toBe('::1')
    expect(certificate.checkIP('10.0.0.8')).toBeUndefined()
  })

  test('of a node serves both ends of a connection, that of a gateway only the client’s', async () => {
    const authority = await anAuthority()
    const usage = async (role: 'node' | 'gateway') =>
      new X509Certificate((await aPair(authority, { role })).cert).keyUsage
    expect(await usage('node')).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    expect(await usage('gateway')).toEqual(['1.3.6.1.5.5.7.3.2'])
  })

  test('is not believed outside its time, or from another authority', async () => {
    const [authority, other] = [await anAuthority(), await anAuthority()]
    const { cert } = await aPair(authority, {
      validFromMs: NOW - 10_000,
      validToMs: NOW + 10_000,
    })
    const certificate = new X509Certificate(cert)
    const at = (ms: number, by = authority) => judgeCertificate(certificate, by.certificate, ms).ok
    expect([at(NOW - 20_000), at(NOW), at(NOW + 20_000), at(NOW, other)]).toEqual([
      false,
      true,
      false,
      false,
    ])
  })

  test('of the authority itself is nobody’s', async () => {
    const { certificate } = await anAuthority()
    expect(judgeCertificate(certificate, certificate, NOW)).toEqual({
      ok: false,
      reason: 'its certificate has no known role',
    })
  })

  test('that is not one is null', () => {
    expect(readCertificate('')).toBeNull()
    expect(
      readCertificate('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
    ).toBeNull()
    expect(readCertificate(Buffer.alloc(40))).toBeNull()
  })
})
