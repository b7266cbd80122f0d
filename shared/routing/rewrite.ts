import type { Regex } from './regex.ts'

/** From the path that the client asked for to the path that the target is asked for. */
export type RewritePath = (path: string) => string

/** A route without rewrite. */
export const keepPath: RewritePath = (path) => path

/**
 * For a prefix by whole segments: the segments of `prefix` become `replacement`, and a slash at the end of either
 * means nothing. Never empty. Source: Kubernetes Gateway API, HTTPPathModifier, ReplacePrefixMatch.
 */
export function replaceSegments(prefix: string, replacement: string): RewritePath {
  const base = replacement.replace(/\/+$/, '')
  const { length } = withoutTrailingSlash(prefix)
  return (path) => base + path.slice(length) || '/'
}

/** For everything with a literal beginning of known length: that text becomes `replacement`. */
export function replaceText(length: number, replacement: string): RewritePath {
  return (path) => replacement + path.slice(length)
}

/** For an exact path. */
export function replaceAll(replacement: string): RewritePath {
  return () => replacement
}

/** For an anchored expression: the text that it matched becomes `replacement`. */
export function replaceMatch(regex: Regex, replacement: string): RewritePath {
  return (path) => {
    const end = regex.endOfMatch(path)
    return end < 0 ? path : replacement + path.slice(end)
  }
}

/** `/pets/` and `/pets` are the same prefix; this is the form without the slash, empty for `/`. */
export function withoutTrailingSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

/**
 * A text of a definition as it may stand in a request target: whatever is not visible ASCII as the escapes of its UTF-8
 * (RFC 3986 2.1). As it is, it could end the line, or be cut to other characters on the wire.
 */
export function asTargetText(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]+/g, (rest) =>
    Array.from(
      Buffer.from(rest),
      (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    ).join(''),
  )
}
