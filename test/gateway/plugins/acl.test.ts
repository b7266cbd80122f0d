import { expect, test } from 'vitest'
import { aclSchema, type AclOptions } from '../../../shared/plugins/acl.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { consumer, golden, pluginBench, withKey } from './support.ts'

function labelled(name: string, key: string, labels: Record<string, string>): DefinitionInput {
  return { ...consumer(name, withKey(key)), labels }
}

const team = (...values: string[]) => [{ label: 'team', values }]

test.each<[AclOptions, Record<string, string>, number]>([
  [{ allow: team('pets', 'cart') }, { team: 'cart' }, 200],
  [{ allow: team('pets') }, { team: 'petshop' }, 403],
  [{ allow: team('pets') }, {}, 403],
  [{ allow: [{ label: 'team' }] }, { team: 'any' }, 200],
  [{ allow: [{ label: 'team' }] }, { tier: 'any' }, 403],
  [{ deny: team('pets') }, { team: 'pets' }, 403],
  [{ deny: team('pets') }, { team: 'cart' }, 200],
  [{ deny: [{ label: 'suspended' }] }, {}, 200],
  [{ allow: team('pets'), deny: [{ label: 'suspended' }] }, { team: 'pets', suspended: '' }, 403],
  [{ allow: [...team('pets'), { label: 'vip' }] }, { vip: 'yes' }, 200],
  [{ allow: [{ label: 'constructor' }] }, {}, 403],
])('%j lets %j in: %i', async (acl, labels, status) => {
  const bench = await pluginBench({ 'key-auth': {}, acl }, labelled('ada', 'k', labels))
  const answer = await bench.get('X-Api-Key: k')
  expect([answer.status, answer.code]).toEqual([status, status === 200 ? null : 'ACCESS_DENIED'])
})

test('whoever is no consumer has no labels', async () => {
  const open = { 'key-auth': {}, authentication: { require: 'none' } } as const
  const only = await pluginBench({ ...open, acl: { allow: team('pets') } })
  expect((await only.get()).status).toBe(403)
  const others = await pluginBench({ ...open, acl: { deny: team('pets') } })
  expect((await others.get()).status).toBe(200)
  expect(golden(others.reached[0])).not.toContain('X-Consumer')
})

test('labels that change count from the change on', async () => {
  const bench = await pluginBench(
    { 'key-auth': {}, acl: { allow: team('pets') } },
    labelled('ada', 'k', { team: 'pets' }),
  )
  expect((await bench.get('X-Api-Key: k')).status).toBe(200)
  bench.worker.adopt(labelled('ada', 'k', { team: 'cart' }))
  expect((await bench.get('X-Api-Key: k')).status).toBe(403)
})

test('options that decide nothing are refused', () => {
  expect(aclSchema.safeParse({}).success).toBe(false)
})
