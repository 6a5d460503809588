import { Writer } from 'nsqjs'
import type { Cancel, Clock } from '../../clock.ts'
import { BrokerUnavailableError } from '../broker.ts'
import type { NsqAddress } from './address.ts'

const handshakeTimeoutMs = 1_000

/** One nsqjs Writer from connect to close; it is never used twice. */
export class NsqLink {
  /** Resolves with the reason. */
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

  /** @throws Error when nsqd does not greet in time: a stopped process still accepts connections. */
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

  /** Closing a closed one is harmless; the first reason counts. */
  close(reason: string): void {
    this.#end(reason)
    // nsqjs has no socket to close in the tick of the connect.
    setImmediate(() => {
      this.#writer.close()
    })
  }

  /** @throws BrokerUnavailableError without an answer in time; the connection is given up then. */
  publish(topic: string, bodies: Buffer[], timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let answered = false
      const cancel = this.#clock.after(timeoutMs, () => {
        // After a stall of our own the answer may lie in the socket: let the loop read it first.
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
