// The servers of the proxy bench: each one process on the first core, all in front of the same nginx on the second.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { programOf } from '../../gateway/support/programs.ts'
import { BenchServer, type Place } from './bench-server.ts'

const ROOT = join(import.meta.dirname, '../../..')
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
const ROUTES_PER_API = 100
const HUNDRED_BYTES = 'x'.repeat(100)

/** What all servers of one run have in common. */
export type Site = {
  readonly targetPort: number
  /** 1: everything goes to the target. More: as many prefixes, see `pathOfRoute`. */
  readonly routes: number
  /** PEM, for the TLS port. */
  readonly certificate: string
  readonly key: string
}

/** A server that may be held against others. */
export type Peer = {
  readonly name: string
  /** What is to be installed; null: nothing more than npm brings. */
  readonly program: string | null
  readonly speaksHttp2: boolean
  /** Most routes that it is started with, because it would look through them one by one or has none. */
  readonly routesMax: number
  prepare(site: Site, place: Place, program: string): Promise<readonly string[]>
}

/** Ours first: the others are held against it. */
export const PEERS: readonly Peer[] = [
  raftway('raftway', ['--metrics', 'off']),
  raftway('raftway, records and metrics', ['--access-log', 'access.log']),
  nodeChild('node:http + undici', 'node-proxy-child.ts'),
  nodeChild('httpxy', 'httpxy-child.ts'),
  { name: 'nginx', program: 'nginx', speaksHttp2: true, routesMax: 1e6, prepare: nginxProxy },
  { name: 'haproxy', program: 'haproxy', speaksHttp2: true, routesMax: 1e6, prepare: haproxy },
  { name: 'caddy', program: 'caddy', speaksHttp2: true, routesMax: 1_000, prepare: caddy },
]

/** What is asked for to take a route, `at` of `routes`. */
export function pathOfRoute(at: number, routes: number): string {
  return routes === 1 ? '/100' : `${prefixOf(at)}100`
}

/** Answers 100 bytes, 64 KiB, and anything that is posted, from the second core. */
export function startTarget(program: string): Promise<BenchServer> {
  return BenchServer.start('target', 1, '/100', async ({ dir, port }) => {
    await mkdir(join(dir, 'files'))
    await writeFile(join(dir, 'files', '64k'), Buffer.alloc(65_536, 'x'))
    return nginx(
      program,
      dir,
      `server { listen 127.0.0.1:${port} backlog=4096;
        location /100 { return 200 "${HUNDRED_BYTES}"; }
        location /r/ { return 200 "${HUNDRED_BYTES}"; }
        location /post { return 200 "ok"; }
        location /64k { root ${dir}/files; } }`,
    )
  })
}

/** Starts one of PEERS. */
export function startPeer(peer: Peer, site: Site): Promise<BenchServer> {
  const program = peer.program === null ? process.execPath : programOf(peer.program)
  if (program === null) throw new Error(`${peer.program} is not installed`)
  return BenchServer.start(peer.name, 0, pathOfRoute(0, site.routes), async (place) => {
    await writeFile(join(place.dir, 'cert.pem'), site.certificate)
    await writeFile(join(place.dir, 'key.pem'), site.key)
    return peer.prepare(site, place, program)
  })
}

function prefixOf(at: number): string {
  return `/r/${String(at).padStart(6, '0')}/`
}

function prefixesOf({ routes }: Site): readonly string[] {
  return routes === 1 ? ['/'] : Array.from({ length: routes }, (_, at) => prefixOf(at))
}

function raftway(name: string, options: readonly string[]): Peer {
  const prepare = async (site: Site, { dir, port, tlsPort }: Place, node: string) => {
    await writeDefinitions(join(dir, 'definitions'), site)
    const flags = process.env['BENCH_NODE_ARGS']?.split(' ') ?? []
    const command = [node, ...flags, join(ROOT, 'bin/raftway.js'), 'gateway', 'start']
    command.push('--workers', '1', '--log-level', 'error', '--data-dir', join(dir, 'data'))
    command.push('--definitions', join(dir, 'definitions'), '--status', '127.0.0.1:0')
    command.push('--http', `127.0.0.1:${port}`, '--https', `127.0.0.1:${tlsPort}`)
    return [...command, ...options]
  }
  return { name, program: null, speaksHttp2: true, routesMax: 1e6, prepare }
}

async function writeDefinitions(dir: string, site: Site): Promise<void> {
  const put = (kind: string, name: string, spec: object) => {
    const definition = { kind, name, spec, revision: 1, createdRevision: 1 }
    return writeFile(join(dir, kind.toLowerCase(), `${name}.json`), JSON.stringify(definition))
  }
  for (const kind of ['api', 'certificate', 'upstream'])
    await mkdir(join(dir, kind), { recursive: true })
  await put('Upstream', 'target', { targets: [{ url: `http://127.0.0.1:${site.targetPort}` }] })
  const { certificate, key } = site
  await put('Certificate', 'bench', { certificate, key, default: true })
  const prefixes = prefixesOf(site)
  for (let at = 0; at < prefixes.length; at += ROUTES_PER_API) {
    const routes = prefixes.slice(at, at + ROUTES_PER_API).map((path) => ({ path }))
    await put('Api', `bench-${at}`, { routes, upstream: 'target' })
  }
}

function nodeChild(name: string, file: string): Peer {
  const prepare = (site: Site, { port, tlsPort }: Place, node: string) =>
    Promise.resolve([
      node,
      join(ROOT, 'test/bench', file),
      String(port),
      String(tlsPort),
      `http://127.0.0.1:${site.targetPort}`,
    ])
  return { name, program: null, speaksHttp2: false, routesMax: 1, prepare }
}

function nginxProxy(site: Site, { dir, port, tlsPort }: Place, program: string) {
  const locations = prefixesOf(site).map(
    (path) => `location ${path} { proxy_pass http://target; }\n`,
  )
  return nginx(
    program,
    dir,
    `upstream target { server 127.0.0.1:${site.targetPort}; keepalive 256; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096; listen 127.0.0.1:${tlsPort} ssl http2 backlog=4096;
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
    proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-Id $request_id;
    proxy_set_header Via "1.1 nginx";
    ${locations.join('')}
  }`,
  )
}

async function nginx(program: string, dir: string, parts: string): Promise<readonly string[]> {
  const paths = TEMPORARY.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')
  const file = join(dir, 'nginx.conf')
  const text = `daemon off; master_process off; pid ${dir}/pid; error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off; ${paths} sendfile on; tcp_nodelay on; keepalive_requests 1000000;
  ${parts}
}
`
  await writeFile(file, text)
  return [program, '-e', 'stderr', '-p', dir, '-c', file]
}

async function haproxy(site: Site, { dir, port, tlsPort }: Place, program: string) {
  const file = join(dir, 'haproxy.cfg')
  await writeFile(join(dir, 'both.pem'), site.certificate + site.key)
  const lines = prefixesOf(site).map((path) => `${path} b\n`)
  await writeFile(join(dir, 'routes.map'), lines.join(''))
  const choice =
    site.routes === 1 ? 'default_backend b' : `use_backend %[path,map_beg(${dir}/routes.map)]`
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
  bind 127.0.0.1:${tlsPort} ssl crt ${dir}/both.pem alpn h2,http/1.1
  ${choice}
backend b
  server target 127.0.0.1:${site.targetPort}
`,
  )
  return [program, '-db', '-f', file]
}

async function caddy(site: Site, { dir, port, tlsPort }: Place, program: string) {
  const file = join(dir, 'Caddyfile')
  const proxy = `reverse_proxy 127.0.0.1:${site.targetPort} {\n transport http {\n keepalive_idle_conns_per_host 256\n }\n }`
  const handles = prefixesOf(site).map((path) => `handle ${path}* {\n ${proxy}\n }\n`)
  const routes = site.routes === 1 ? proxy : handles.join('')
  await writeFile(
    file,
    `{
  admin off
  auto_https off
  default_sni bench.test
  log {
    level ERROR
  }
  servers {
    protocols h1 h2
  }
}
http://127.0.0.1:${port} {
  ${routes}
}
https://:${tlsPort} {
  tls ${dir}/cert.pem ${dir}/key.pem
  ${routes}
}
`,
  )
  return [program, 'run', '--adapter', 'caddyfile', '--config', file]
}
