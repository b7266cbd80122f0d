import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { SESSION_COOKIE_CHARS_MAX, SESSION_COOKIES_MAX } from '../../shared/limits.ts'
import { cookieValue } from '../../shared/routing/request-key.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Seals what a browser keeps (AES-256-GCM), so that it can be neither read nor made there. */
export class CookieSeal {
  readonly #key: Uint8Array

  /** `context`: what it is good for. Whatever is sealed for another context does not open. */
  constructor(secret: string, context: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', `raftway oidc\0${context}`, 32))
  }

  seal(purpose: string, value: unknown): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    cipher.setAAD(Buffer.from(purpose))
    const sealed = [nonce, cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]
    return Buffer.concat([...sealed, cipher.getAuthTag()]).toString('base64url')
  }

  /** What `seal` was given for the same purpose; null for anything else. */
  open(purpose: string, text: string): unknown {
    const bytes = Buffer.from(text, 'base64url')
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return null
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(purpose))
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      const plain = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]
      return JSON.parse(Buffer.concat(plain).toString()) as unknown
    } catch {
      return null
    }
  }
}

/** How a cookie is set. */
export type CookieOptions = {
  readonly path: string
  readonly isSecure: boolean
  /** 0: it is taken away. */
  readonly seconds: number
}

/** A Set-Cookie line. SameSite=Lax: it comes along when somebody follows a link here, and with no request of another site. */
export function setCookie(
  name: string,
  value: string,
  { path, isSecure, seconds }: CookieOptions,
): string {
  const secure = isSecure ? '; Secure' : ''
  return `Set-Cookie: ${name}=${value}; Path=${path}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}\r\n`
}

/**
 * The Set-Cookie lines of a text, in as many cookies as it takes: the first says how many these are. Null when it takes
 * more than SESSION_COOKIES_MAX.
 */
export function setCookies(name: string, text: string, options: CookieOptions): string | null {
  const count = Math.ceil(text.length / SESSION_COOKIE_CHARS_MAX)
  if (count > SESSION_COOKIES_MAX) return null
  let lines = ''
  for (let at = 0; at < count; at++) {
    const from = at * SESSION_COOKIE_CHARS_MAX
    const piece = text.slice(from, from + SESSION_COOKIE_CHARS_MAX)
    lines += setCookie(pieceName(name, at), at === 0 ? `${count}.${piece}` : piece, options)
  }
  return lines
}

/** The text that `setCookies` was given, out of a Cookie field; null when it is not there, or not whole. */
export function readCookies(field: string | undefined, name: string): string | null {
  const first = cookieValue(field, name)
  if (first === undefined || first.charAt(1) !== '.') return null
  const count = Number(first.charAt(0))
  if (!(count >= 1 && count <= SESSION_COOKIES_MAX)) return null
  let text = first.slice(2)
  for (let at = 1; at < count; at++) {
    const piece = cookieValue(field, pieceName(name, at))
    if (piece === undefined) return null
    text += piece
  }
  return text
}

/** The Set-Cookie lines that take all of a text away from a browser that shows it. */
export function clearCookies(
  field: string | undefined,
  name: string,
  options: Omit<CookieOptions, 'seconds'>,
): string {
  let lines = ''
  for (let at = 0; at < SESSION_COOKIES_MAX; at++) {
    const each = pieceName(name, at)
    if (cookieValue(field, each) === undefined) continue
    lines += setCookie(each, '', { ...options, seconds: 0 })
  }
  return lines
}

function pieceName(name: string, at: number): string {
  return at === 0 ? name : `${name}.${at}`
}
