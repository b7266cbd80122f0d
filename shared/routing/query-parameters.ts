type Parameters = ReadonlyMap<string, readonly string[]>

const NONE: readonly string[] = []
const EMPTY: Parameters = new Map()

let lastQuery = ''
let lastParameters = EMPTY

/**
 * Every value of one query parameter, in the order in which they came. `+` is a space; an escape that is malformed
 * stays as it is. The last query is remembered, so that a request whose candidates ask for several parameters is
 * parsed once, and one whose candidates ask for none never is.
 */
export function queryValues(query: string, name: string): readonly string[] {
  if (query !== lastQuery) {
    lastParameters = parseQuery(query)
    lastQuery = query
  }
  return lastParameters.get(name) ?? NONE
}

function parseQuery(query: string): Parameters {
  const parameters = new Map<string, string[]>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decode(equals < 0 ? pair : pair.slice(0, equals))
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1))
    const known = parameters.get(name)
    if (known === undefined) parameters.set(name, [value])
    else known.push(value)
  }
  return parameters
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  // The usual text is well formed in one piece; otherwise each run of escapes stands or falls for itself.
  return decoded(spaced) ?? spaced.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => decoded(run) ?? run)
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
