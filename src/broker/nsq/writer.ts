import type { Clock } from '../../clock.ts'
import type { Logger } from '../../logger.ts'
import { BrokerUnavailableError, type BrokerStatus } from '../broker.ts'
import { parseAddress, type NsqAddress } from './address.ts'
import { NsqLink } from './link.ts'
import { createNsqOutbox, type NsqOutbox, type NsqOutboxOptions } from './outbox.ts'

/**
 * The options of the writer, which supervises one nsqjs Writer after the other and gives every
 * publish a deadline. An nsqjs Writer never reconnects, never times out, and crashes without an
 * error listener.
 */

export interface NsqWriterOptions extends NsqOutboxOptions {
  /** The nsqds as host:port, tried in this order, beginning after the one that failed. */
  readonly addresses: readonly string[]
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** Prepares the nsqd at that position, before anything is published to it; it may throw. */
  readonly prepare: (position: number) => Promise<void>
}

export interface NsqWriter {
  /** Resolves when it can publish, or when every nsqd was tried once without success. */
  start(): Promise<void>
  /** Waits for the answers of open publishes, which have a deadline. */
  stop(): Promise<void>
  /**
   * Publishes messages.
   * @throws BrokerUnavailableError
   */
  publish(topic: string, bodies: readonly Buffer[]): Promise<void>
  status(): BrokerStatus
  /** Returns the position of the nsqd that is published to now. */
  position(): number | undefined
}

const backoffMsMin = 50
const backoffMsMax = 500

export function createNsqWriter(options: NsqWriterOptions): NsqWriter {
  return new SupervisedWriter(options)
}

class SupervisedWriter implements NsqWriter {
  readonly #options: NsqWriterOptions
  readonly #addresses: readonly NsqAddress[]
  readonly #outbox: NsqOutbox
  #status: BrokerStatus = { ready: false, reason: 'not started' }
  #serving: { readonly position: number; readonly link: NsqLink } | undefined
  #hasComplained = false
  #supervision: Promise<void> | undefined
  #isStopping = false
  #link: NsqLink | undefined
  #endPause: () => void = () => undefined
  readonly #firstTry: Promise<void>
  #endFirstTry: () => void = () => undefined

  constructor(options: NsqWriterOptions) {
    this.#options = options
    this.#firstTry = new Promise((resolve) => {
      this.#endFirstTry = resolve
    })
    this.#addresses = options.addresses.map(parseAddress)
    this.#outbox = createNsqOutbox(options)
  }

  start(): Promise<void> {
    if (this.#supervision === undefined && !this.#isStopping) {
      this.#status = { ready: false, reason: 'connecting' }
      this.#supervision = this.#supervise()
    }
    return this.#firstTry
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#outbox.idle()
    await this.#link?.end('stopped')
    this.#endPause()
    this.#endFirstTry()
    await this.#supervision
  }

  status(): BrokerStatus {
    return this.#isStopping ? { ready: false, reason: 'stopped' } : this.#status
  }

  position(): number | undefined {
    return this.#serving?.position
  }

  async publish(topic: string, bodies: readonly Buffer[]): Promise<void> {
    const status = this.status()
    if (!status.ready || this.#serving === undefined) {
      throw new BrokerUnavailableError(status.ready ? 'connecting' : status.reason)
    }
    await this.#outbox.send(this.#serving.link, topic, bodies)
  }

  async #supervise(): Promise<void> {
    const count = this.#addresses.length
    let failures = 0
    for (let next = 0; !this.#isStopping; next = (next + 1) % count) {
      const hasServed = await this.#serve(next)
      failures = hasServed ? 0 : failures + 1
      // The next nsqd is tried at once; the writer pauses only after a round without success.
      if (failures % count !== 0) continue
      this.#endFirstTry()
      await this.#pause(this.#backoffMs(failures / count))
    }
  }

  /** Publishes through one nsqd until its connection ends. Returns whether it was ever ready. */
  async #serve(position: number): Promise<boolean> {
    const address = this.#addresses[position]
    if (address === undefined) return false
    const link = new NsqLink(address, this.#options.clock)
    this.#link = link
    let hasServed = false
    try {
      await link.handshake()
      await Promise.race([this.#options.prepare(position), link.failed()])
      hasServed = true
      this.#ready(position, link)
      await link.closed
    } catch (error) {
      link.close(error instanceof Error ? error.message : String(error))
    }
    link.close('ended')
    this.#unready(`nsqd ${this.#name(position)}: ${await link.closed}`)
    return hasServed
  }

  #ready(position: number, link: NsqLink): void {
    this.#serving = { position, link }
    this.#status = { ready: true }
    this.#hasComplained = false
    this.#endFirstTry()
    this.#options.logger.info({ nsqd: this.#name(position) }, 'publishing to nsqd')
  }

  #unready(reason: string): void {
    this.#serving = undefined
    this.#status = { ready: false, reason }
    // The log gets one line per outage, not one per attempt.
    if (!this.#hasComplained && !this.#isStopping) {
      this.#options.logger.warn({ reason }, 'cannot publish to nsqd')
    }
    this.#hasComplained = true
  }

  /**
   * Waits without racing against a long-lived promise, which would collect a listener per attempt.
   */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
      if (this.#isStopping) this.#endPause()
    })
  }

  #name(position: number): string {
    return this.#options.addresses[position] ?? ''
  }

  /**
   * Returns a pause with jitter, so that a hundred nodes do not connect to a restarted nsqd at
   * once.
   */
  #backoffMs(rounds: number): number {
    const ms = Math.min(backoffMsMin * 2 ** Math.min(rounds, 10), backoffMsMax)
    return ms * (0.5 + this.#options.random() / 2)
  }
}
