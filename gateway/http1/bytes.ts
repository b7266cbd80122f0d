/** Byte → 1 where it belongs to the class. A lookup a byte is what a strict parser costs. */
type ByteClass = Uint8Array

/** A character of a token: methods, field names, connection options (RFC 9110 5.6.2). */
export const TOKEN: ByteClass = classOf((byte) =>
  "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".includes(
    String.fromCharCode(byte),
  ),
)

/** A byte of a field value: visible ASCII, space, tab and obs-text (RFC 9110 5.5). No other control byte. */
export const FIELD_TEXT: ByteClass = classOf(
  (byte) => byte === 9 || (byte >= 32 && byte !== 127 && byte <= 255),
)

/** A byte of a request target: visible ASCII. */
export const TARGET_TEXT: ByteClass = classOf((byte) => byte > 32 && byte < 127)

export const TAB = 9
export const LF = 10
export const CR = 13
export const SPACE = 32
export const COLON = 58

function classOf(belongs: (byte: number) => boolean): ByteClass {
  return Uint8Array.from({ length: 256 }, (_, byte) => (belongs(byte) ? 1 : 0))
}

/** Whether `bytes[from, to)` is `lower`, whatever the case of its letters. `lower` has no upper-case letter. */
export function equalsLower(bytes: Uint8Array, from: number, to: number, lower: string): boolean {
  if (to - from !== lower.length) return false
  for (let at = from, i = 0; at < to; at++, i++) {
    const byte = bytes[at] ?? 0
    const wanted = lower.charCodeAt(i)
    if (byte === wanted) continue
    // Only a letter may differ, and only by its case.
    if (wanted < 97 || wanted > 122 || byte !== wanted - 32) return false
  }
  return true
}

/** Whether a text is visible ASCII and nothing else: what names of hosts are made of, wherever they were found. */
export function isVisible(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    if (TARGET_TEXT[text.charCodeAt(at)] !== 1) return false
  }
  return true
}
