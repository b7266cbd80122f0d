import { expect, test } from 'vitest'
import { suggest } from '../../shared/suggest.ts'

const KNOWN = ['path', 'match', 'methods', 'headers', 'upstream']

test.each([
  ['pth', 'path'],
  ['paht', 'path'],
  ['Path', 'path'],
  ['method', 'methods'],
  ['upstraem', 'upstream'],
  ['x', null],
  ['completely-else', null],
  ['', null],
])('%s probably meant %s', (word, meant) => {
  expect(suggest(word, KNOWN)).toBe(meant)
})

test('the nearest of several is taken, and the first of equally near ones', () => {
  expect(suggest('cart', ['card', 'carts', 'cart-2'])).toBe('card')
  expect(suggest('carst', ['card', 'cart'])).toBe('cart')
})

test('nothing is known, nothing is meant', () => {
  expect(suggest('path', [])).toBeNull()
})
