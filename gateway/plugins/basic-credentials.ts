/** User name and password of an Authorization field (RFC 7617); null when it has none, or is not well formed. */
export function basicCredentials(
  field: string | undefined,
): { readonly username: string; readonly password: string } | null {
  const given = field === undefined ? null : /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(field)
  if (given === null) return null
  const text = Buffer.from(given[1] ?? '', 'base64').toString()
  const colon = text.indexOf(':')
  // A character that stands for bytes that are no UTF-8 could make two names one.
  if (colon < 0 || text.includes('\ufffd')) return null
  return { username: text.slice(0, colon), password: text.slice(colon + 1) }
}
