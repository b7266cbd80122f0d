// The servers of the proxy bench: each one process on the first core, all in front of the same nginx on the second.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, until } from '../../processes/processes.ts'

const ROOT = join(import.meta.dirname, '../../..')
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

/** Path of a Debian program, or null where it is not installed. */
export function programOf(name: string): string | null {
  const places = ['/usr/sbin', '/usr/bin', '/usr/local/bin']
  return places.map((dir) => join(dir, name)).find(existsSync) ?? null
}

/** One process, with what it has used of the processor. */
export class BenchServer {
  readonly name: string
  readonly port: number
  readonly #child: ChildProcess
  readonly #dir: string

  private constructor(name: string, port: number, child: ChildProcess, dir: string) {
    this.name = name
    this.port = port
    this.#child = child
    this.#dir = dir
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Processor time that it has used, in microseconds. */
  cpuUs(): number {
    const text = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
    await rm(this.#dir, { recursive: true })
  }

  /** Starts a program on a core; `prepare` writes what it needs and gives its arguments. */
  static async start(
    name: string,
    core: 0 | 1,
    prepare: (dir: string, port: number) => Promise<readonly string[]>,
  ): Promise<BenchServer> {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-bench-'))
    const port = await freePort()
    const command = await prepare(dir, port)
    const child = spawn('taskset', ['-c', String(core), ...command], {
      stdio: ['ignore', 'ignore', 'inherit'],
      cwd: dir,
    })
    const server = new BenchServer(name, port, child, dir)
    await until(`${name} serves`, async () => (await answers(`${server.url}/100`)) || null)
    return server
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url)
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

/** Answers 100 bytes, 64 KiB, and anything that is posted, from the second core. */
export function startTarget(program: string): Promise<BenchServer> {
  return BenchServer.start('target', 1, async (dir, port) => {
    await mkdir(join(dir, 'files'))
    await writeFile(join(dir, 'files', '64k'), Buffer.alloc(65_536, 'x'))
    return nginx(program, dir, {
      listen: `listen 127.0.0.1:${port};`,
      locations: `location /100 { return 200 "${'x'.repeat(100)}"; }
        location /post { return 200 "ok"; }
        location /64k { root ${dir}/files; }`,
    })
  })
}

export function startNginx(program: string, targetPort: number): Promise<BenchServer> {
  return BenchServer.start('nginx', 0, (dir, port) =>
    nginx(program, dir, {
      upstream: `upstream target { server 127.0.0.1:${targetPort}; keepalive 256; keepalive_requests 1000000; }`,
      listen: `listen 127.0.0.1:${port};`,
      locations: `location / { proxy_pass http://target; proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-Id $request_id;
        proxy_set_header Via "1.1 nginx"; }`,
    }),
  )
}

export function startHaproxy(program: string, targetPort: number): Promise<BenchServer> {
  return BenchServer.start('haproxy', 0, async (dir, port) => {
    const file = join(dir, 'haproxy.cfg')
    await writeFile(
      file,
      `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option forwardfor
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  server target 127.0.0.1:${targetPort}
`,
    )
    return [program, '-db', '-f', file]
  })
}

export function startRaftway(targetPort: number): Promise<BenchServer> {
  return BenchServer.start('raftway', 0, async (dir, port) => {
    const status = await freePort()
    await mkdir(join(dir, 'definitions', 'api'), { recursive: true })
    const upstream = { targets: [{ url: `http://127.0.0.1:${targetPort}` }] }
    const spec = { routes: [{ path: '/' }], upstream }
    const definition = { kind: 'Api', name: 'bench', spec, revision: 1, createdRevision: 1 }
    await writeFile(join(dir, 'definitions', 'api', 'bench.json'), JSON.stringify(definition))
    const node = [process.execPath, ...(process.env['BENCH_NODE_ARGS']?.split(' ') ?? [])]
    const command = [...node, join(ROOT, 'bin/raftway.js'), 'gateway', 'start', '--workers', '1']
    command.push('--log-level', 'error', '--definitions', join(dir, 'definitions'))
    command.push('--data-dir', join(dir, 'data'), '--http', `127.0.0.1:${port}`)
    return [...command, '--status', `127.0.0.1:${status}`]
  })
}

export function startNodeProxy(targetPort: number): Promise<BenchServer> {
  const file = join(ROOT, 'test/bench/node-proxy-child.ts')
  return BenchServer.start('node:http + undici', 0, async (_dir, port) => [
    process.execPath,
    file,
    String(port),
    `http://127.0.0.1:${targetPort}`,
  ])
}

async function nginx(
  program: string,
  dir: string,
  parts: { readonly upstream?: string; readonly listen: string; readonly locations: string },
): Promise<readonly string[]> {
  const paths = TEMPORARY.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')
  const file = join(dir, 'nginx.conf')
  await writeFile(
    file,
    `daemon off; master_process off; pid ${dir}/pid; error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off; ${paths} sendfile on; tcp_nodelay on; keepalive_requests 1000000;
  ${parts.upstream ?? ''}
  server { ${parts.listen} ${parts.locations} }
}
`,
  )
  return [program, '-e', 'stderr', '-p', dir, '-c', file]
}
