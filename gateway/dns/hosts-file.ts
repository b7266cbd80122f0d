import { isIP } from 'node:net'

/** Reads the text of a hosts(5) file: addresses by lower-case name, each once, in the order of the lines. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const byName = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/)
    if (isIP(address) === 0) continue
    for (const given of names) {
      const name = given.toLowerCase()
      const known = byName.get(name)
      if (known === undefined) byName.set(name, [address])
      else if (!known.includes(address)) known.push(address)
    }
  }
  return byName
}
