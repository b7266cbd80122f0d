import { connect, type Socket } from 'node:net'

/** Sends bytes as they are and collects everything that comes until the other side closes. */
export async function sendRaw(
  port: number,
  ...pieces: readonly (string | Buffer)[]
): Promise<string> {
  const socket = await openRaw(port)
  for (const piece of pieces) socket.write(piece)
  return readToEnd(socket)
}

export async function openRaw(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => {})
  return socket
}

/** Everything that comes until the end. */
export async function readToEnd(socket: Socket): Promise<string> {
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return Buffer.concat(pieces).toString('latin1')
}

/** Reads until the text that came so far satisfies a condition. */
export async function readUntil(socket: Socket, done: (text: string) => boolean): Promise<string> {
  let text = ''
  return new Promise((resolve, reject) => {
    const onData = (piece: Buffer): void => {
      text += piece.toString('latin1')
      if (!done(text)) return
      socket.off('data', onData)
      socket.off('close', onClose)
      resolve(text)
    }
    const onClose = (): void => reject(new Error(`closed after ${JSON.stringify(text)}`))
    socket.on('data', onData)
    socket.once('close', onClose)
  })
}
