/** The values of a parameter, both in the one form in which names and values are signed (RFC 9421 2.2.8). */
export function parameterValues(query: string, name: string): readonly string[] {
  const values: string[] = []
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    const own = equals < 0 ? pair : pair.slice(0, equals)
    if (encoded(own) === name) values.push(encoded(equals < 0 ? '' : pair.slice(equals + 1)))
  }
  return values
}

/** Decoded as forms are, and encoded again, a blank as %20. */
function encoded(text: string): string {
  let plain = text.replaceAll('+', ' ')
  try {
    plain = decodeURIComponent(plain)
  } catch {
    // What is no escape stands for itself.
  }
  return encodeURIComponent(plain.toWellFormed()).replace(
    /[!'()~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
