import { appendFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LevelDisk } from '../../../control-plane/storage/level-disk.ts'
import { WriteOrder } from '../../../control-plane/storage/write-order.ts'
import { metaKey } from '../../../control-plane/storage/keys.ts'
import { temporaryDirectory } from './samples.ts'

const put = (bytes: number) =>
  [{ type: 'put', key: Buffer.of(1), value: Buffer.alloc(bytes - 1) }] as const

test('writes happen in the order of the calls, and each batch is made when it is its turn', async () => {
  const disk = await LevelDisk.open(await temporaryDirectory())
  const order: string[] = []
  const job = (name: string, sync: boolean) => ({
    sync,
    batch: () => {
      order.push(`make ${name}`)
      return [{ type: 'put', key: metaKey('k'), value: Buffer.from(name) }] as const
    },
    done: () => void order.push(`done ${name}`),
  })
  await Promise.all([
    disk.write(job('a', true)),
    disk.write(job('b', false)),
    disk.write(job('c', true)),
  ])
  expect(order).toEqual(['make a', 'done a', 'make b', 'done b', 'make c', 'done c'])
  expect((await disk.get(metaKey('k')))?.toString()).toBe('c')
  await disk.close()
})

test('a new write-ahead log is noticed when the old one did not take what was written', async () => {
  const dir = await temporaryDirectory()
  const looks: string[] = []
  const order = new WriteOrder(dir, (path) => {
    looks.push(path)
    return Promise.resolve()
  })
  const old = join(dir, '000003.log')
  await writeFile(old, '')
  await order.beforeSync()
  await appendFile(old, Buffer.alloc(150))
  order.wrote(put(100))
  await order.beforeSync()
  expect(looks).toEqual([])
  // LevelDB begins another log: the next write does not make the old one grow.
  await writeFile(join(dir, '000004.log'), Buffer.alloc(150))
  order.wrote(put(100))
  await order.beforeSync()
  expect(looks).toEqual([old])
  await unlink(old)
  await appendFile(join(dir, '000004.log'), Buffer.alloc(150))
  order.wrote(put(100))
  await order.beforeSync()
  expect(looks).toEqual([old])
})

test('while somebody writes uncounted, every look is a full one', async () => {
  const dir = await temporaryDirectory()
  const looks: string[] = []
  const order = new WriteOrder(dir, (path) => {
    looks.push(path)
    return Promise.resolve()
  })
  await writeFile(join(dir, '000003.log'), Buffer.alloc(10_000))
  await order.beforeSync()
  order.uncountedBegin()
  await writeFile(join(dir, '000004.log'), '')
  await order.beforeSync()
  order.uncountedEnd()
  await order.beforeSync()
  expect(looks.length).toBe(2)
})

test('more than a write buffer goes through a real database', async () => {
  const dir = await temporaryDirectory()
  const disk = await LevelDisk.open(dir)
  for (let n = 0; n < 40; n++) {
    const value = Buffer.alloc(1024 * 1024, n)
    const write = { type: 'put', key: metaKey(`k${n}`), value } as const
    await disk.write({ sync: n % 3 === 0, batch: () => [write] })
  }
  await disk.close()
  const reopened = await LevelDisk.open(dir)
  expect((await reopened.get(metaKey('k39')))?.[7]).toBe(39)
  await reopened.close()
})
