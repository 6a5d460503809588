import { connect, type Socket } from 'node:net'

/**
 * A keep-alive HTTP/1.1 connection with one request at a time. On two cores shared with the server
 * the generator's own cost decides what can be seen: measured per request against `bare`,
 * autocannon takes 55 to 73 µs of CPU, undici 43 to 56, this 34 to 37, nearly all of it the
 * kernel's. autocannon also drops the last answers, counts whole milliseconds only, and so cannot
 * be compared with the database.
 */
export interface Answerer {
  /** Called with a complete answer; the body is in latin1. */
  answered(connection: Connection, status: number, body: string): void
  /** Called when no further answer will come. */
  broke(connection: Connection, reason: string): void
}

export interface Address {
  readonly host: string
  readonly port: number
}

const headEndMark = '\r\n\r\n'
const contentLength = /\r\ncontent-length: *(\d+)/i
const noContent = 204
const statusStart = 'HTTP/1.1 '.length

export class Connection {
  readonly index: number
  private readonly socket: Socket
  private answerer: Answerer
  private received = ''
  private closing = false

  constructor(index: number, { host, port }: Address, answerer: Answerer) {
    this.index = index
    this.answerer = answerer
    this.socket = connect({ host, port, noDelay: true })
    this.socket.on('data', (chunk: Buffer) => {
      this.receive(chunk.toString('latin1'))
    })
    this.socket.on('error', (error) => {
      this.lost(error.message)
    })
    this.socket.on('close', () => {
      this.lost('the server closed the connection')
    })
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('connect', resolve)
      this.socket.once('error', reject)
    })
  }

  /** Passes all later answers to this answerer. */
  hand(answerer: Answerer): void {
    this.answerer = answerer
  }

  /** Sends a request, which must be ASCII. */
  send(request: string): void {
    this.socket.write(request, 'latin1')
  }

  close(): void {
    this.closing = true
    this.socket.destroy()
  }

  /** Destroys the socket without closing the HTTP connection properly. */
  vanish(): void {
    this.closing = true
    this.socket.resetAndDestroy()
  }

  private announcedLength(): number {
    return Number(contentLength.exec(this.received)?.[1] ?? Number.NaN)
  }

  private lost(reason: string): void {
    if (this.closing) return
    this.close()
    this.answerer.broke(this, reason)
  }

  private receive(text: string): void {
    this.received = this.received === '' ? text : this.received + text
    const headEnd = this.received.indexOf(headEndMark)
    if (headEnd === -1) return
    const bodyStart = headEnd + headEndMark.length
    const status = Number(this.received.slice(statusStart, statusStart + 3))
    const length = status === noContent ? 0 : this.announcedLength()
    if (Number.isNaN(length)) {
      this.lost('an answer without Content-Length')
      return
    }
    const bodyEnd = bodyStart + length
    if (this.received.length < bodyEnd) return
    const body = this.received.slice(bodyStart, bodyEnd)
    this.received = this.received.slice(bodyEnd)
    this.answerer.answered(this, status, body)
  }
}

export function addressOf(origin: string): Address {
  const { hostname, port } = new URL(origin)
  return { host: hostname, port: Number(port) }
}
