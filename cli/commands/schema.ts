import { z } from 'zod'
import { stringify } from 'yaml'
import { labelsSchema, nameSchema } from '../../shared/definitions/common.ts'
import { KIND_NAMES, KINDS, type Kind } from '../../shared/definitions/kinds.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { readKind } from '../kind-argument.ts'
import { printJson } from '../output.ts'
import { renderTable } from '../render/table.ts'

/** `raftway schema`: what a definition may hold, as JSON Schema. */
export const SCHEMA_COMMANDS = [
  defineCommand({
    usage: 'schema [kind]',
    summary: 'Print the JSON Schema of definitions',
    examples: [
      ['raftway schema', 'Every kind, with one sentence each'],
      ['raftway schema api > api.schema.json', 'For an editor that checks while you type'],
    ],
    positionals: { kind: { describe: 'api, upstream …; without it, all kinds' } },
    options: {
      output: {
        type: 'string',
        alias: 'o',
        choices: ['text', 'json', 'yaml'],
        default: 'text',
        describe: 'text lists kinds, and is JSON for one kind',
      },
    },
    run: async (args, terminal) => {
      const kind = args.kind === undefined ? null : readKind(args.kind)
      if (kind === null && args.output === 'text') {
        terminal.out(
          renderTable(
            ['KIND', 'PLURAL', 'WHAT IT IS'],
            KIND_NAMES.map((name) => [name, KINDS[name].plural, KINDS[name].summary]),
          ),
        )
        return EXIT.ok
      }
      const schema = kind === null ? everyKind() : jsonSchema(kind)
      if (args.output === 'yaml') terminal.out(stringify(schema))
      else printJson(terminal, schema)
      return EXIT.ok
    },
  }),
]

function everyKind(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Raftway definition',
    oneOf: KIND_NAMES.map((kind) => {
      const { $schema: _same, ...schema } = jsonSchema(kind)
      return schema
    }),
  }
}

function jsonSchema(kind: Kind): z.core.JSONSchema.BaseSchema {
  const { specSchema, summary } = KINDS[kind]
  const definition = z
    .strictObject({
      kind: z.literal(kind),
      name: nameSchema,
      labels: labelsSchema.optional(),
      spec: specSchema,
    })
    .meta({ title: kind, description: summary })
  return z.toJSONSchema(definition, { io: 'input', unrepresentable: 'any' })
}
