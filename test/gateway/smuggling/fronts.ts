// Servers of others behind a gateway: nginx and haproxy, each passing everything on to one target.
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../../control-plane/tls/free-ports.ts'
import type { Pair } from '../support/test-authority.ts'
import { until } from '../support/until.ts'

/** A program in between: where it listens, and how it ends. */
export type Front = { readonly url: string; close(): Promise<void> }

export async function startNginx(program: string, targetPort: number): Promise<Front> {
  return startFront(program, (port, dir) => ({
    file: 'nginx.conf',
    args: ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')],
    text: `
daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  upstream canary { server 127.0.0.1:${targetPort}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    underscores_in_headers on;
    ignore_invalid_headers off;
    location / { proxy_pass http://canary; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }
  }
}
`,
  }))
}

export async function startHaproxy(program: string, targetPort: number): Promise<Front> {
  return startFront(program, (port, dir) => ({
    file: 'haproxy.cfg',
    args: ['-db', '-f', join(dir, 'haproxy.cfg')],
    text: `
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  option http-keep-alive
  http-reuse always
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  server canary 127.0.0.1:${targetPort}
`,
  }))
}

/** Serves by itself, behind TLS, and says what it was asked over and by which name. */
export async function startSecureNginx(
  program: string,
  pair: Pair,
  hasHttp2: boolean,
): Promise<Front> {
  const front = await startFront(program, (port, dir) => {
    writeFileSync(join(dir, 'cert.pem'), pair.certificate)
    writeFileSync(join(dir, 'key.pem'), pair.key)
    writeFileSync(join(dir, 'large'), Buffer.alloc(1_000_000, 'x'))
    return {
      file: 'nginx.conf',
      args: ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')],
      text: `
daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  server {
    listen 127.0.0.1:${port} ssl ${hasHttp2 ? 'http2' : ''};
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
    location / { return 200 "$server_protocol $ssl_server_name"; }
    location /large { root ${dir}; }
  }
}
`,
    }
  })
  return { ...front, url: front.url.replace('http:', 'https:') }
}

async function startFront(
  program: string,
  configOf: (
    port: number,
    dir: string,
  ) => { readonly file: string; readonly args: readonly string[]; readonly text: string },
): Promise<Front> {
  const [port = 0] = await freePorts(1)
  const dir = await mkdtemp(join(tmpdir(), 'raftway-front-'))
  const { file, args, text } = configOf(port, dir)
  await writeFile(join(dir, file), text)
  const child = spawn(program, args, { stdio: 'ignore' })
  await until('the front', () => isListening(port))
  return { url: `http://127.0.0.1:${port}`, close: () => end(child, dir) }
}

async function end(child: ChildProcess, dir: string): Promise<void> {
  if (child.exitCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await gone
  }
  await rm(dir, { recursive: true, force: true })
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
