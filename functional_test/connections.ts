import { buildConnector, Client as Connection, type Dispatcher } from 'undici'
import { now } from './time.ts'

/**
 * The connections of all shoppers: one undici Client each, and a second one only while it clicks
 * twice. Measured on two shared cores with 10,000 shoppers and a bare server: a Pool per shopper
 * costs 71 µs of CPU a request and 500 MB, `Client.request` 60 µs and 210 MB, `Client.dispatch` 34
 * µs and 190 MB.
 */
export interface Connections {
  /** Sends on the shopper's own connection, or on another one of its own while that is busy. */
  send(shopper: number, request: HttpRequest): Promise<HttpAnswer | LostAnswer>
  /** Returns the origin of this shopper: shoppers are spread over the origins. */
  originOf(shopper: number): string
  close(): Promise<void>
}

export interface HttpRequest {
  readonly path: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  readonly timeoutMs: number
}

export interface HttpAnswer {
  readonly kind: 'answered'
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The first byte was written. `now()` ms. */
  readonly sentAt: number
  /** The last byte was read. `now()` ms. */
  readonly answeredAt: number
}

/**
 * The connection broke or the time was over; whether the server has seen the request is unknown.
 */
export interface LostAnswer {
  readonly kind: 'lost'
  /** `ECONNRESET` and the like. */
  readonly reason: string
  readonly sentAt: number
  readonly answeredAt: number
}

/** A shopper may do three things at once. */
const connectionsPerShopper = 3
const responseBytesMax = 16 * 1024 * 1024
const connectTimeoutMs = 15_000

export function openConnections(origins: readonly string[]): Connections {
  // All Clients share one connector; each would make its own.
  const connect = buildConnector({ timeout: connectTimeoutMs })
  const lanes = new Map<number, Connection[]>()

  const originOf = (shopper: number): string => origins[shopper % origins.length]!

  function laneOf(shopper: number): Connection[] {
    const known = lanes.get(shopper)
    if (known !== undefined) return known
    const lane: Connection[] = []
    lanes.set(shopper, lane)
    return lane
  }

  function connectionOf(shopper: number): Connection {
    const lane = laneOf(shopper)
    const idle = lane.find((connection) => connection.stats.size === 0)
    if (idle !== undefined) return idle
    if (lane.length === connectionsPerShopper) return lane[0]!
    const { origin } = new URL(originOf(shopper))
    const connection = new Connection(origin, { connect, maxResponseSize: responseBytesMax })
    lane.push(connection)
    return connection
  }

  return {
    originOf,
    send: (shopper, request) => send(connectionOf(shopper), request),
    async close() {
      await Promise.all([...lanes.values()].flat().map((connection) => connection.destroy()))
    },
  }
}

function send(connection: Connection, request: HttpRequest): Promise<HttpAnswer | LostAnswer> {
  return new Promise((resolve) => {
    const { path, method, headers, body, timeoutMs } = request
    connection.dispatch(
      { path, method, headers, body, headersTimeout: timeoutMs, bodyTimeout: timeoutMs },
      new Listener(resolve),
    )
  })
}

/** Collects one answer. It is a class so that ten thousand listeners share their methods. */
class Listener implements Dispatcher.DispatchHandler {
  private readonly tell: (answer: HttpAnswer | LostAnswer) => void
  private readonly chunks: Buffer[] = []
  private sentAt: number | undefined
  private status = 0
  private headers: HttpAnswer['headers'] = {}

  constructor(tell: (answer: HttpAnswer | LostAnswer) => void) {
    this.tell = tell
  }

  /** Called right before the first byte is written. */
  onRequestStart(): void {
    this.sentAt ??= now()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: HttpAnswer['headers'],
  ): void {
    this.status = status
    this.headers = headers
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk)
  }

  onResponseEnd(): void {
    const answeredAt = now()
    const { status, headers, chunks, sentAt = answeredAt } = this
    const text = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString()
    this.tell({ kind: 'answered', status, headers, text, sentAt, answeredAt })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const answeredAt = now()
    const { sentAt = answeredAt } = this
    this.tell({ kind: 'lost', reason: reasonOf(error), sentAt, answeredAt })
  }
}

const reasonOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name
