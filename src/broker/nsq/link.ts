import { Writer } from 'nsqjs'
import type { Cancel, Clock } from '../../clock.ts'
import { BrokerUnavailableError } from '../broker.ts'
import type { NsqAddress } from './address.ts'
import { endSocket } from './nsqjs-internals.ts'

const handshakeTimeoutMs = 1_000
/** nsqd may take this long to close its half of a connection; a stopped nsqd never does. */
export const endTimeoutMs = 500

/** One nsqjs Writer from connect to close; it is never used twice. */
export class NsqLink {
  /** Resolves with the reason when the connection is closed. */
  readonly closed: Promise<string>
  readonly #writer: Writer
  readonly #clock: Clock
  readonly #ready: Promise<void>
  #end: (reason: string) => void = () => undefined

  constructor({ host, port }: NsqAddress, clock: Clock) {
    this.#clock = clock
    const writer = new Writer(host, port, { heartbeatInterval: 5, idleTimeout: 15 })
    this.#writer = writer
    this.closed = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#ready = new Promise((resolve) => {
      writer.on('ready', resolve)
    })
    // A failed connect emits `error` twice, and one of them after `closed`: the listener stays.
    writer.on('error', (error) => {
      this.#end(error.message)
    })
    writer.on('closed', () => {
      this.#end('connection closed')
    })
    writer.connect()
  }

  /**
   * Waits for the greeting of nsqd.
   * @throws Error when it does not come in time: a stopped process still accepts connections.
   */
  async handshake(): Promise<void> {
    let cancel: Cancel = () => undefined
    const late = new Promise<never>((_resolve, reject) => {
      cancel = this.#clock.after(handshakeTimeoutMs, () => {
        reject(new Error(`no greeting within ${handshakeTimeoutMs} ms`))
      })
    })
    try {
      await Promise.race([this.#ready, this.failed(), late])
    } finally {
      cancel()
    }
  }

  async failed(): Promise<never> {
    throw new Error(await this.closed)
  }

  /**
   * Ends the connection in order: resolves when nsqd has closed its half, or after half a second.
   */
  async end(reason: string): Promise<void> {
    if (endSocket(this.#writer)) {
      let cancel: Cancel = () => undefined
      const late = new Promise<void>((resolve) => {
        cancel = this.#clock.after(endTimeoutMs, resolve)
      })
      await Promise.race([this.closed, late])
      cancel()
    }
    this.close(reason)
  }

  /** Closes the connection. A second call does nothing; the first reason counts. */
  close(reason: string): void {
    this.#end(reason)
    // In the tick of the connect nsqjs has no socket yet that could be closed.
    setImmediate(() => {
      this.#writer.close()
    })
  }

  /**
   * Publishes messages.
   * @throws BrokerUnavailableError without an answer in time; the connection is then closed.
   */
  publish(topic: string, bodies: Buffer[], timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let answered = false
      const cancel = this.#clock.after(timeoutMs, () => {
        // After a stall of this process the answer may lie in the socket, so the event loop reads
        // it first.
        setImmediate(() => {
          if (answered) return
          answered = true
          reject(new BrokerUnavailableError(`nsqd did not answer within ${timeoutMs} ms`))
          this.close(`a publish was not answered within ${timeoutMs} ms`)
        })
      })
      this.#writer.publish(topic, bodies, (error) => {
        if (answered) return
        answered = true
        cancel()
        if (error instanceof Error) {
          reject(new BrokerUnavailableError(`publish: ${error.message}`, { cause: error }))
        } else resolve()
      })
    })
  }
}
