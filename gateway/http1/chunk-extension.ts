import { unreachable } from '../../shared/assert.ts'
import { CR, FIELD_TEXT, TOKEN } from './bytes.ts'

/** Where in a chunk's extensions the next byte stands. */
export type ExtensionPlace =
  | 'name-start'
  | 'name'
  | 'value-start'
  | 'value'
  | 'quoted'
  | 'escaped'
  | 'quoted-end'
  | 'end'

/**
 * Where the byte after this one stands in `name`, `name=value` or `name="value"`, one after another by `;`; null when the
 * byte may not stand there. Without the white space of old that RFC 9112 7.1.1 lets recipients put up with.
 */
export function extensionPlace(place: ExtensionPlace, byte: number): ExtensionPlace | null {
  switch (place) {
    case 'name-start':
      return TOKEN[byte] === 1 ? 'name' : null
    case 'name':
      if (byte === 61) return 'value-start'
      return TOKEN[byte] === 1 ? 'name' : behindExtension(byte)
    case 'value-start':
      if (byte === 34) return 'quoted'
      return TOKEN[byte] === 1 ? 'value' : null
    case 'value':
      return TOKEN[byte] === 1 ? 'value' : behindExtension(byte)
    case 'quoted':
      if (byte === 34) return 'quoted-end'
      if (byte === 92) return 'escaped'
      return FIELD_TEXT[byte] === 1 ? 'quoted' : null
    case 'escaped':
      return FIELD_TEXT[byte] === 1 ? 'quoted' : null
    case 'quoted-end':
      return behindExtension(byte)
    case 'end':
      return null
    default:
      return unreachable(place)
  }
}

function behindExtension(byte: number): ExtensionPlace | null {
  if (byte === CR) return 'end'
  return byte === 59 ? 'name-start' : null
}
