import { expect, test } from 'vitest'
import { formatOf } from '../../../gateway/errors/format-of.ts'

test.each<[string, string, string | undefined, string]>([
  ['/a', '', undefined, 'application/json'],
  ['/a.xml', '', undefined, 'application/xml'],
  ['/a.csv', 'format=xml', 'text/html', 'text/csv'],
  ['/a.html', '', undefined, 'text/html'],
  ['/a.json', 'format=xml', 'text/html', 'application/json'],
  ['/a.pdf', '', undefined, 'application/json'],
  ['/a.XML', '', undefined, 'application/json'],
  ['/a.xml/b', '', undefined, 'application/json'],
  ['/a.pdf', 'format=xml', undefined, 'application/xml'],
  ['/a', 'format=csv&format=xml', 'text/html', 'text/csv'],
  ['/a', 'format[]=xml', undefined, 'application/json'],
  ['/a', 'format=', 'text/html', 'text/html'],
  ['/a', 'format=pdf', 'text/csv', 'text/csv'],
  ['/a', 'informat=xml', undefined, 'application/json'],
  ['/a', '', 'text/xml', 'text/xml'],
  ['/a', '', 'application/xml', 'application/xml'],
  ['/a', '', '*/*', 'application/json'],
  ['/a', '', 'text/*', 'text/xml'],
  ['/a', '', 'application/*', 'application/json'],
  ['/a', '', 'image/png', 'application/json'],
  ['/a', '', 'image/png, */*;q=0.1', 'application/json'],
  ['/a', '', 'text/html;q=0.5, application/xml;q=0.9', 'application/xml'],
  ['/a', '', 'text/csv, text/html', 'text/csv'],
  ['/a', '', 'text/html;q=0.8, text/csv;q=0.8', 'text/html'],
  ['/a', '', 'TEXT/HTML; level=1; Q=0.3', 'text/html'],
  ['/a', '', 'text/html;q=0', 'application/json'],
  ['/a', '', 'text/html;q=0, text/csv;q=0.001', 'text/csv'],
  ['/a', '', 'text/html;q=x', 'text/html'],
  ['/a', '', ',;,', 'application/json'],
  ['/a', '', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html'],
])('%s ?%s with Accept %s is told in %s', (path, query, accept, type) => {
  expect(formatOf(path, query, accept).type).toBe(type)
})
