import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Express } from 'express'
import { wait, type Cancel, type Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import { watchArrivals } from './arrivals.ts'
import { trackConnections } from './connections.ts'
import { drain } from './drain.ts'
import type { FastPath } from '../add-to-cart/fast-path.ts'
import { problem, type ProblemCode, type Reply } from './problem.ts'
import type { Readiness } from './readiness.ts'

export interface HttpServer extends Service {
  /** Returns the URL it listens on, such as `http://127.0.0.1:3000`; only while started. */
  url(): string
}

export interface HttpServerOptions {
  readonly app: Express
  /** The fast path; undefined where no add-to-cart is served. */
  readonly fastPath: FastPath | undefined
  readonly readiness: Readiness
  readonly clock: Clock
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
  readonly host: string
  readonly port: number
  /** An idle connection stays open for this long. 65000 unless given. */
  readonly keepAliveMs?: number
  /**
   * A stop serves for this long, not ready, before it stops accepting connections. 0 unless given.
   */
  readonly drainDelayMs?: number
  /** From the first byte of a request to the end of its headers. 5000 unless given. */
  readonly headersTimeoutMs?: number
  /** From the first byte of a request to its last. 15000 unless given. */
  readonly requestTimeoutMs?: number
  /** The maximum of open connections; more are closed at once. 20000 unless given. */
  readonly connectionsMax?: number
  /**
   * The maximum of connections that have sent nothing; beyond it the oldest are closed. 15000
   * unless given.
   */
  readonly silentMax?: number
}

/** A look at 20,000 connections takes some 2 ms. */
const lookEveryMsMax = 500
/**
 * Most balancers keep an idle connection for 60 s. The server has to keep it longer: one that
 * closes first resets the request that the balancer sends at the same moment.
 */
const keepAliveMsDefault = 65_000
/** A connection that reads nothing is closed after once to twice this time. */
const closeStuckEveryMs = 30_000

/**
 * Listens. A stop says not ready first and goes on serving for `drainDelayMs`, so that a balancer
 * sees it and sends nothing more; then it answers what has come, and closes. It cannot be started
 * again.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { app, fastPath, readiness, clock, defer, host, port } = options
  const { headersTimeoutMs = 5_000, requestTimeoutMs = 15_000, connectionsMax = 20_000 } = options
  const { keepAliveMs = keepAliveMsDefault, drainDelayMs = 0, silentMax = 15_000 } = options
  const serverOptions = {
    // 0 is off: `watchArrivals` has the deadlines.
    headersTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    // Without this Node refuses a missing Host header with an empty answer; `serve` answers a
    // problem.
    requireHostHeader: false,
  }
  const server = createServer(serverOptions, serve)
  // Without this Node drops the answers of clients that close their side after sending, as `nc -N`
  // does.
  Object.assign(server, { httpAllowHalfOpen: true })
  const connections = trackConnections(server)
  const lookEveryMs = Math.min(lookEveryMsMax, headersTimeoutMs)
  const arrivals = watchArrivals({
    server,
    lookEveryMs,
    headersTimeoutMs,
    requestTimeoutMs,
    silentMs: keepAliveMs,
    silentMax,
    defer,
    refuse: (socket) => {
      refuseAfterAnswers(requestTimedOut, socket)
    },
  })
  server.maxConnections = connectionsMax
  // Only the code is passed on, because the error holds the unreadable bytes and may live for a
  // while.
  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket: Socket) => {
    refuseAfterAnswers(code, socket)
  })
  // An unknown expectation may be ignored; Node would refuse it with an empty answer.
  server.on('checkExpectation', serve)

  function refuseAfterAnswers(code: string | undefined, socket: Socket): void {
    connections.endAfterAnswers(socket, () => {
      refuseUnreadable(code, socket)
    })
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    arrivals.began(request)
    if (!connections.serves(request, response)) return
    if (!hasOneHost(request)) refuse(response)
    else if (fastPath?.take(request, response) !== true) serveWithExpress(app, request, response)
  }

  async function stop(): Promise<void> {
    // No balancer sends requests before the start has ended, and a start that fails must not wait for one.
    if (drainDelayMs > 0 && readiness.isStarted()) await wait(clock, drainDelayMs)
    cancelStuck()
    await drain({ server, connections, clock, defer })
    cancelLook()
  }

  let cancelStuck: Cancel = () => undefined
  let cancelLook: Cancel = () => undefined
  let drained: Promise<void> | undefined
  return {
    name: 'http server',
    url: () => urlOf(server),
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port, backlog: 4_096 }, () => {
          server.off('error', reject)
          cancelStuck = clock.every(closeStuckEveryMs, () => {
            connections.closeStuck()
          })
          cancelLook = clock.every(lookEveryMs, () => {
            arrivals.look()
          })
          resolve()
        })
      }),
    stop() {
      readiness.drain()
      return (drained ??= stop())
    },
  }
}

/**
 * Tells whether the Host header is right by RFC 9112: none is wrong in HTTP/1.1, and two are always
 * wrong, because a proxy in front may have used the other one.
 */
function hasOneHost({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0')
}

function refuse(response: ServerResponse): void {
  const { status, headers, body } = problem('bad_request', 'one Host header is needed')
  const text = JSON.stringify(body)
  // Later requests on this connection are not served either.
  response.shouldKeepAlive = false
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text)
}

function serveWithExpress(app: Express, request: IncomingMessage, response: ServerResponse): void {
  // Express's type requires its extended request, but it extends this object itself.
  const listener: (request: IncomingMessage, response: ServerResponse) => void = app
  listener(request, response)
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

const requestTimedOut = 'ERR_HTTP_REQUEST_TIMEOUT'
const unreadable: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  [requestTimedOut]: 'request_timeout',
}

/** Answers requests that are no valid HTTP or arrive too slowly; they never reach the app. */
function refuseUnreadable(code: string | undefined, socket: Socket): void {
  if (!socket.writable || code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  socket.end(rawResponse(problem(unreadable[code ?? ''] ?? 'bad_request')))
}

function rawResponse({ status, headers, body }: Reply): string {
  const text = JSON.stringify(body)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = Buffer.byteLength(text)
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nconnection: close\r\ncontent-length: ${length}\r\n`
  return `${head}${lines.join('')}\r\n${text}`
}
