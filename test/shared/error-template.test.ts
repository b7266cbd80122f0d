import { expect, test } from 'vitest'
import {
  errorTemplateFault,
  parseErrorTemplate,
  renderErrorTemplate,
} from '../../shared/error-template.ts'
import { xmlFault } from '../../shared/xml-fault.ts'
import { apiErrorsSchema } from '../../shared/definitions/api-errors.ts'

const HOSTILE = `<a href="x">&'\\\n,`

function rendered(text: string, escaping: 'json' | 'xml' | 'csv' | 'html' | 'text'): string | null {
  const parsed = parseErrorTemplate(text, escaping)
  if (!parsed.ok) return parsed.reason
  return renderErrorTemplate(parsed.template, (name) => (name === 'v' ? HOSTILE : undefined))
}

test.each([
  ['json', '{"a":"{{v}}"}', String.raw`{"a":"<a href=\"x\">&'\\\n,"}`],
  ['json', '{"a":{{v}}}', String.raw`{"a":"<a href=\"x\">&'\\\n,"}`],
  ['json', String.raw`{"\"":"x","a":{{v}}}`, String.raw`{"\"":"x","a":"<a href=\"x\">&'\\\n,"}`],
  ['xml', '<e>{{v}}</e>', '<e>&lt;a href=&quot;x&quot;&gt;&amp;&#39;\\\n,</e>'],
  ['html', '  <p>{{ v }}</p>\n', '<p>&lt;a href=&quot;x&quot;&gt;&amp;&#39;\\\n,</p>'],
  ['csv', 'A,B\n1,{{v}}', `A,B\n1,"<a href=""x"">&'\\\n,"`],
  ['csv', 'A\n"{{v}}"', `A\n"<a href=""x"">&'\\\n,"`],
  ['text', 'see {{v}}', `see ${HOSTILE}`],
  ['text', '{{w}} {{ w }}', '{{w}} {{ w }}'],
] as const)('%s: %s', (escaping, text, wanted) => {
  expect(rendered(text, escaping)).toBe(wanted)
})

test('a value that has braces of its own is not filled in again', () => {
  const parsed = parseErrorTemplate('{{a}}', 'text')
  expect(parsed.ok && renderErrorTemplate(parsed.template, () => '{{b}}')).toBe('{{b}}')
})

test('what becomes too long is given up', () => {
  const parsed = parseErrorTemplate('{{a}}{{a}}', 'text')
  expect(parsed.ok && renderErrorTemplate(parsed.template, () => 'x'.repeat(65_536))).toHaveLength(
    131_072,
  )
  expect(parsed.ok && renderErrorTemplate(parsed.template, () => 'x'.repeat(65_537))).toBeNull()
})

test.each([
  ['json', '{"a":{{code}}}', null],
  ['json', '{"a":"{{code}}"}', null],
  ['json', '{"a":{{none}}}', 'is no JSON once its variables are filled in'],
  ['json', '{"a":"{{code}}"', 'is no JSON once its variables are filled in'],
  ['json', '{"a":"{{code}', 'has a "{{" at 6 that begins no {{variable}}'],
  ['csv', '{{', 'has a "{{" at 0 that begins no {{variable}}'],
  ['html', '<p>{{a b}}', 'has a "{{" at 3 that begins no {{variable}}'],
  ['html', '<p>{{code}}<br>', null],
  ['xml', '<e>{{code}}</e>', null],
  ['xml', '<e a="{{code}}"/>', null],
  ['xml', '<e>{{code}}', 'is no XML: <e> is never closed'],
] as const)('%s: the fault of %s', (escaping, text, wanted) => {
  expect(errorTemplateFault(text, escaping, new Set(['code']))).toBe(wanted)
})

test.each([
  '<a/>',
  '<?xml version="1.0"?>\n<a><!-- x < y --><b c="1" d=\'2\'>t &amp; &#10;</b><![CDATA[ <& ]]></a>\n',
  '<a:b xmlns:a="u"><a:c /></a:b>',
  '<a b="x>y"/>',
])('%s is XML', (text) => {
  expect(xmlFault(text)).toBeNull()
})

test.each([
  '',
  'text',
  '<a>',
  '</a>',
  '<a></b>',
  '<a><b></a></b>',
  '<a/><b/>',
  '<a/>text',
  '<a b=c/>',
  '<a b="1" b="2"/>',
  '<a b="<"/>',
  '<a>&</a>',
  '<a>& b;</a>',
  '<a b="&"/>',
  '<a><!-- </a>',
  '<![CDATA[x]]>',
  '<a>]]></a>',
  '<a <b/></a>',
  '< a/>',
  '<!DOCTYPE a><a/>',
  '<1/>',
  '<a/ >',
  `${'<a>'.repeat(33)}${'</a>'.repeat(33)}`,
])('%s is no XML', (text) => {
  expect(xmlFault(text)).toMatch(/^is (no XML|nested)/)
})

test('errors of an Api are checked with the variables that it has, and every fault has its path', () => {
  const good = {
    templates: { json: '{"m":{{message}},"s":{{support}}}', xml: '<e>{{support}}</e>' },
    data: { support: '{{base_url}}/help' },
    messages: { API_KEY_MISSING: 'get a key at {{signup_url}}' },
    statuses: { API_KEY_MISSING: 403 },
    pages: { NOT_FOUND: '<p>{{code}}' },
  }
  expect(apiErrorsSchema.safeParse(good).success).toBe(true)
  const bad = {
    templates: { json: '{"s":{{support}}}', xml: '<e>' },
    data: { other: '{{' },
    messages: { API_KEY_MISSING: 'x {{y' },
    pages: { NOT_FOUND: '{{' },
  }
  const result = apiErrorsSchema.safeParse(bad)
  expect(result.error?.issues.map(({ path }) => path.join('.'))).toEqual([
    'templates.json',
    'templates.xml',
    'data.other',
    'messages.API_KEY_MISSING',
    'pages.NOT_FOUND',
  ])
  expect(apiErrorsSchema.safeParse({ statuses: { NO_SUCH_CODE: 400 } }).success).toBe(false)
  expect(apiErrorsSchema.safeParse({ statuses: { NOT_FOUND: 200 } }).success).toBe(false)
})
