import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A socket for requests that no HTTP client would send. */
export interface RawConnection {
  send(text: string): void
  /** Everything received until the server closed the connection. */
  received(): Promise<string>
  /** Resolves with everything received so far, once it contains `text`. */
  receive(text: string): Promise<string>
  close(): void
}

export async function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket: Socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  let text = ''
  let wakeUp = (): void => undefined
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
    wakeUp()
  })
  // A reset counts as a normal end here.
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  return {
    send: (some) => void socket.write(some),
    async received() {
      await closed
      return text
    },
    async receive(expected) {
      while (!text.includes(expected)) {
        await new Promise<void>((resolve) => {
          wakeUp = resolve
        })
      }
      return text
    },
    close: () => void socket.destroy(),
  }
}

export interface RawAnswer {
  readonly status: number
  readonly head: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Parses the first answer in the received text. */
export function parseRaw(received: string): RawAnswer {
  const [head = '', body = ''] = received.split('\r\n\r\n', 2)
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1])
  return { status, head: head.toLowerCase(), body: JSON.parse(body) as Record<string, unknown> }
}

/** Sends one text and returns everything received until the connection closed. */
export async function sendRaw(url: string, text: string): Promise<RawAnswer> {
  const connection = await openRaw(url)
  connection.send(text)
  return parseRaw(await connection.received())
}
