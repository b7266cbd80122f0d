/**
 * Pages that requests may come from: patterns in which `*` stands for any text; case does not matter. Where a pattern names a
 * scheme, a `*` before the path stands for no slash, so that no other host can have the named one in its path.
 */
export class Referers {
  readonly #patterns: readonly Pattern[]

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map(patternOf)
  }

  /**
   * Whether a request may come from where it says. Without a Referer, or with one that does not fit, its Origin is compared
   * with the patterns cut off behind the host, since it has no path.
   */
  has(referer: string | undefined, origin: string | undefined): boolean {
    if (referer !== undefined && this.#fitsPage(referer.toLowerCase())) return true
    return origin !== undefined && this.#fitsOrigin(origin.toLowerCase())
  }

  #fitsPage(page: string): boolean {
    const end = hostEnd(page)
    return this.#patterns.some(({ host, path }) => {
      if (path === null) return fits(host, page)
      return fits(host, page.slice(0, end)) && fits(path, page.slice(end))
    })
  }

  #fitsOrigin(origin: string): boolean {
    return this.#patterns.some(({ origin: own }) => fits(own, origin))
  }
}

/** What is between the `*` of a pattern. */
type Parts = readonly string[]

type Pattern = {
  /** Scheme and host; all of the pattern where `path` is null. */
  readonly host: Parts
  readonly path: Parts | null
  readonly origin: Parts
}

function patternOf(text: string): Pattern {
  const lower = text.toLowerCase()
  const end = hostEnd(lower)
  const origin = lower.slice(0, end).split('*')
  const hasPath = lower.includes('://') && end < lower.length
  return hasPath
    ? { host: origin, path: lower.slice(end).split('*'), origin }
    : { host: lower.split('*'), path: null, origin }
}

/** Where the path begins: at the first slash behind the scheme, or at the end. */
function hostEnd(text: string): number {
  const scheme = text.indexOf('://')
  const slash = text.indexOf('/', scheme < 0 ? 0 : scheme + 3)
  return slash < 0 ? text.length : slash
}

/** Each part as early as possible, the last one at the end: linear, whatever is asked of it. */
function fits(parts: Parts, text: string): boolean {
  const [first = '', ...others] = parts
  const last = others.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of others) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
