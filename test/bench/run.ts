// npm run bench -- NAME …: runs benchmarks by name; without a name, lists them. Each prints one JSON line a figure
// and asserts nothing.
import { readdirSync } from 'node:fs'

const NOT_BENCHES = new Set(['run.ts', 'figures.ts'])

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && !NOT_BENCHES.has(file) && !file.includes('-child'))
  .map((file) => file.slice(0, -'.ts'.length))
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !names.includes(name))

if (wanted.length === 0 || unknown.length > 0) {
  for (const name of unknown) console.error(`no benchmark is called ${name}`)
  console.error(`npm run bench -- NAME …, with NAME one of: ${names.join(', ')}`)
  process.exitCode = 2
} else {
  for (const name of wanted) {
    const bench = (await import(`./${name}.ts`)) as { run(): Promise<void> }
    await bench.run()
  }
}
