import { once } from 'node:events'
import { connect as connectTo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import express, { type Response } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../testing/fake-clock.ts'
import { openRaw, type RawConnection } from '../testing/raw-http.ts'
import { until } from '../testing/until.ts'
import { createReadiness } from './readiness.ts'
import { createHttpServer, type HttpServer } from './server.ts'

let clock: FakeClock
let server: HttpServer
let open: { close(): void }[]
/** The answers of `/wait`, which come when the test gives them. */
let waiting: Response[]

beforeEach(async () => {
  clock = createFakeClock()
  open = []
  waiting = []
  const app = express()
  app.all('/wait', (_request, response) => void waiting.push(response))
  server = createHttpServer({
    ...{ app, fastLane: undefined, readiness: createReadiness({}), clock },
    ...{ host: '127.0.0.1', port: 0, headersTimeoutMs: 100, connectionsMax: 1 },
  })
  await server.start()
})
afterEach(async () => {
  for (const connection of open.splice(0)) connection.close()
  await server.stop()
})

async function connect(): Promise<RawConnection> {
  const connection = await openRaw(server.url())
  open.push(connection)
  return connection
}

/** There is one, and beyond it connections are closed at once. */
async function isPlaceFree(): Promise<boolean> {
  const next = await connect()
  next.send('GET / HTTP/1.1\r\nhost: holdfast\r\nconnection: close\r\n\r\n')
  return (await next.received()) !== ''
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: holdfast\r\n\r\n`
const areWaiting = (count: number) => until(() => waiting.length === count, 2_000, 'waiting')
const statusesIn = (received: string): string[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status)

describe('what cannot be read behind a request that waits', () => {
  it('is remembered once, however much of it comes, and refused after the answer', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const [answer] = waiting
    const before = answer!.listenerCount('close')
    const { bytesRead = 0 } = answer!.socket ?? {}
    for (let chunks = 1; chunks <= 5; chunks += 1) {
      connection.send('JUNK')
      await until(() => answer!.socket?.bytesRead === bytesRead + 4 * chunks, 2_000, 'read')
    }
    expect(answer!.listenerCount('close')).toBe(before + 1)
    answer!.end()
    expect(statusesIn(await connection.received())).toEqual(['200', '400'])
  })

  it('is not waited for any longer: a request that comes too late is not served', async () => {
    const connection = await connect()
    connection.send(`${get('/wait')}GET /wait HTTP/1.1\r\nhost: hold`)
    await areWaiting(1)
    const [answer] = waiting
    const before = answer!.listenerCount('close')
    await until(() => answer!.listenerCount('close') > before, 2_000, 'too late')
    const { bytesRead = 0 } = answer!.socket ?? {}
    connection.send('fast\r\n\r\n')
    await until(() => answer!.socket?.bytesRead !== bytesRead, 2_000, 'read')
    answer!.end()
    expect(statusesIn(await connection.received())).toEqual(['200', '408'])
    expect(waiting).toHaveLength(1)
  })
})

describe('a client that has sent its end', () => {
  it('is answered all it asked for, and then the connection is closed', async () => {
    const { socket, received } = connectQuietly()
    socket.resume()
    socket.end(`${get('/wait')}${get('/wait')}`)
    await areWaiting(2)
    await until(() => waiting[0]!.socket?.readableEnded === true, 2_000, 'its end')
    for (const answer of waiting) answer.end()
    await once(socket, 'close')
    expect(statusesIn(received())).toEqual(['200', '200'])
  })

  it('or vanishes takes no place once it is answered', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const { socket } = waiting[0]!
    connection.close()
    await until(() => socket?.readableEnded === true, 2_000, 'its end')
    waiting[0]!.end()
    await until(() => socket?.destroyed === true, 2_000, 'closed')
  })
})

describe('a client that reads nothing', () => {
  const look = (): void => {
    clock.advance(30_000)
  }

  /** Piece by piece, as long as they are taken. */
  async function answerWithoutEnd(): Promise<Socket> {
    await areWaiting(1)
    const [answer] = waiting
    Readable.from(pieces()).pipe(answer!)
    return answer!.socket!
  }

  it('is closed within a minute', async () => {
    connectQuietly().socket.write(get('/wait'))
    const socket = await answerWithoutEnd()
    await settled(socket)
    look()
    expect(socket.destroyed).toBe(false)
    look()
    expect(socket.destroyed).toBe(true)
  })

  it('for a while only is not closed', async () => {
    const client = connectQuietly().socket
    client.write(get('/wait'))
    const socket = await answerWithoutEnd()
    for (let looks = 0; looks < 3; looks += 1) {
      await settled(socket)
      look()
      const before = leftFor(socket)
      client.resume()
      await until(() => leftFor(socket) > before, 2_000, 'read on')
      client.pause()
    }
    expect(socket.destroyed).toBe(false)
  })

  it('because it waits for its answer is not closed', async () => {
    const { socket, received } = connectQuietly()
    socket.write(get('/wait'))
    await areWaiting(1)
    for (let looks = 0; looks < 10; looks += 1) look()
    waiting[0]!.end()
    socket.resume()
    await until(() => received() !== '', 2_000, 'answered')
    expect(statusesIn(received())).toEqual(['200'])
  })

  it('and does not close what was closed to it is closed, too', async () => {
    const { socket, received } = connectQuietly()
    socket.resume()
    socket.write('GET')
    await once(socket, 'end')
    expect(statusesIn(received())).toEqual(['408'])
    expect(await isPlaceFree()).toBe(false)
    look()
    look()
    await until(isPlaceFree, 2_000, 'a free place')
  })
})

function* pieces(): Generator<Buffer> {
  const piece = Buffer.alloc(65_536)
  for (;;) yield piece
}

const leftFor = (socket: Socket): number => socket.bytesWritten - socket.writableLength

/** Until nothing leaves any more: what lies between the two is full. */
async function settled(socket: Socket): Promise<void> {
  let before = -1
  const isStill = (): boolean => {
    const isSame = leftFor(socket) === before
    before = leftFor(socket)
    return isSame
  }
  await until(isStill, 2_000, 'full', 50)
}

/** A client that reads nothing unless it is resumed, and never closes by itself. */
function connectQuietly() {
  const { hostname, port } = new URL(server.url())
  const socket = connectTo({ port: Number(port), host: hostname, allowHalfOpen: true })
  socket.on('error', () => undefined)
  open.push({ close: () => void socket.destroy() })
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString()))
  socket.pause()
  return { socket, received: () => text }
}
