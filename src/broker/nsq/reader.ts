import { Reader, type Message as NsqjsMessage } from 'nsqjs'
import { wait, type Cancel, type Clock } from '../../clock.ts'
import type { Logger } from '../../logger.ts'
import type { Message } from '../broker.ts'
import { parseAddress } from './address.ts'
import { endTimeoutMs } from './link.ts'
import { createTickCork, endSocket, resizeReader } from './nsqjs-internals.ts'
import { createQuietLog } from './quiet-log.ts'

/**
 * Receives from one nsqd. An nsqjs Reader is used for exactly one connection: with several it
 * removes the wrong one when a standby is refused (`splice(indexOf(…), 1)` with -1) and cannot say
 * which are subscribed. Reconnecting, standing by and draining are ours.
 */

export interface NsqReaderOptions {
  /** host:port */
  readonly address: string
  readonly topic: string
  readonly channel: string
  readonly inFlightMax: number
  readonly onMessage: (message: Message) => void
  readonly messageTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
}

export interface NsqReader {
  /** Tells whether nsqd has accepted the subscription. */
  connected(): boolean
  /** Tells whether nsqd refused the last attempt because another consumer has the channel. */
  isStandby(): boolean
  /** Changes the maximum of messages handed out, without a new connection. */
  resize(inFlightMax: number): void
  /** Stops receiving, waits for the delivered messages or `drainTimeoutMs`, then disconnects. */
  close(): Promise<void>
}

/** A message that keeps coming back is poison; nsqd would deliver it for ever. */
const attemptsMax = 5
/** A standby tries this often, so it takes over within 1.5 s; nsqd logs a line per refusal. */
const retryMs = 1_000
const retryAfterLossMs = 100
/**
 * nsqd does not confirm that it stops sending, so it counts as stopped when no message has come for
 * this long. A message that comes after the close is redelivered after the message timeout.
 */
const quietMs = 50
const saidEveryMs = 1_000

/**
 * outputBufferTimeout 1 ms needs --min-output-buffer-timeout=1ms, otherwise nsqd refuses the
 * connection at IDENTIFY. Without a buffer no flag is needed, but it halves throughput when busy.
 */
const bufferings = [{ outputBufferTimeout: 1 }, { outputBufferSize: -1 }] as const

/** The result of the last attempt to subscribe. */
type State = 'connecting' | 'connected' | 'standby' | 'unreachable'

/** Opens a reader that connects and reconnects until it is closed. */
export function openNsqReader(options: NsqReaderOptions): NsqReader {
  return new SupervisedReader(options)
}

class SupervisedReader implements NsqReader {
  readonly #options: NsqReaderOptions
  readonly #logger: Logger
  readonly #inbox: Inbox
  #inFlightMax: number
  #buffering = 0
  #state: State = 'connecting'
  #reader: Reader
  #closing: Promise<void> | undefined
  #cancelRetry: Cancel = () => undefined

  constructor(options: NsqReaderOptions) {
    const { address, topic, channel } = options
    this.#options = options
    this.#inFlightMax = options.inFlightMax
    this.#logger = options.logger.child({ topic, channel, nsqd: address })
    this.#inbox = createInbox(options, this.#logger)
    this.#reader = this.#connect()
  }

  connected(): boolean {
    return this.#state === 'connected' && this.#closing === undefined
  }

  isStandby(): boolean {
    return this.#state === 'standby'
  }

  resize(inFlightMax: number): void {
    if (inFlightMax === this.#inFlightMax) return
    this.#inFlightMax = inFlightMax
    resizeReader(this.#reader, inFlightMax)
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
  }

  #connect(): Reader {
    const { address, topic, channel, messageTimeoutMs } = this.#options
    const reader = new Reader(topic, channel, {
      ...bufferings[this.#buffering],
      nsqdTCPAddresses: [address],
      maxInFlight: this.#inFlightMax,
      maxAttempts: attemptsMax,
      heartbeatInterval: 5,
      idleTimeout: 15,
      messageTimeout: messageTimeoutMs,
    })
    const cork = createTickCork(reader)
    reader.on('ready', () => {
      this.#enter('connected')
    })
    reader.on('message', (raw) => {
      this.#inbox.receive(raw, cork)
    })
    // nsqjs finishes a discarded message itself; a second finish would be an error.
    reader.on('discard', this.#inbox.discarded)
    // This listener stays for the life of the Reader, because errors come twice and after the
    // close.
    reader.on('error', (error) => {
      this.#failed(error)
    })
    reader.on('nsqd_closed', () => {
      this.#disconnected()
    })
    // `connect()` would poll by itself, on its own clock and without jitter.
    const { host, port } = parseAddress(address)
    reader.connectToNSQD(host, port)
    return reader
  }

  #failed(error: Error): void {
    // The message was answered twice or too late, and nsqd has already taken it back.
    if (/E_(FIN|REQ|TOUCH)_FAILED/.test(error.message)) return
    if (error.message.includes('output buffer timeout') && this.#buffering === 0) {
      this.#buffering = 1
      this.#logger.warn('nsqd lacks --min-output-buffer-timeout=1ms: going on unbuffered, slower')
    } else if (error.message.includes('exceeds limit')) this.#enter('standby')
    else this.#enter('unreachable', error)
  }

  #disconnected(): void {
    const isFirst = this.#state === 'connected' || this.#state === 'connecting'
    if (this.#state === 'connected') this.#enter('unreachable')
    if (this.#closing !== undefined) return
    const { clock, random } = this.#options
    const ms = (isFirst ? retryAfterLossMs : retryMs) * (0.75 + random() / 4)
    this.#cancelRetry = clock.after(ms, () => {
      this.#reader = this.#connect()
    })
  }

  /** Notes the state and logs only changes, because a standby is refused every second for hours. */
  #enter(next: State, error?: Error): void {
    if (next === this.#state) return
    this.#state = next
    if (this.#closing !== undefined) return
    if (next === 'unreachable') this.#logger.warn({ reason: error?.message }, 'not subscribed')
    else this.#logger.info({ state: next }, 'subscription')
  }

  async #drain(): Promise<void> {
    this.#cancelRetry()
    this.#reader.pause()
    await this.#inbox.drained()
    // nsqjs writes a FIN in a nextTick; closing before it would lose it.
    await new Promise((resolve) => setImmediate(resolve))
    await this.#endConnection()
    this.#reader.close()
  }

  /** Resolves when nsqd has closed its half, or after half a second. */
  #endConnection(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(endTimeoutMs, resolve)
      const finish = (): void => {
        cancel()
        resolve()
      }
      this.#reader.once('nsqd_closed', finish)
      if (!endSocket(this.#reader)) finish()
    })
  }
}

/** Delivers messages to the subscriber and counts those that are not settled. */
interface Inbox {
  receive(raw: NsqjsMessage, cork: () => void): void
  readonly discarded: () => void
  /** Resolves when no message comes and all are settled, or after `drainTimeoutMs`. */
  drained(): Promise<void>
}

function createInbox(options: NsqReaderOptions, logger: Logger): Inbox {
  const { clock, onMessage, drainTimeoutMs } = options
  const open = new Set<OpenMessage>()
  const threw = createHandlerLog(clock, logger)
  let whenSettled: () => void = () => undefined
  let lastReceivedAt = 0

  function settled(message: OpenMessage): void {
    open.delete(message)
    if (open.size === 0) whenSettled()
  }

  function settledBy(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(Math.max(deadline - clock.monotonic(), 0), resolve)
      whenSettled = () => {
        cancel()
        resolve()
      }
      if (open.size === 0) whenSettled()
    })
  }

  function untilQuietMs(deadline: number): number {
    const now = clock.monotonic()
    return Math.min(lastReceivedAt + quietMs, deadline) - now
  }

  return {
    receive(raw, cork) {
      const message = new OpenMessage(raw, cork, settled)
      open.add(message)
      lastReceivedAt = clock.monotonic()
      try {
        onMessage(message)
      } catch (error) {
        threw(error)
      }
    },
    discarded: createQuietLog(clock, saidEveryMs, (count) => {
      logger.error({ count, attemptsMax }, 'gave up on messages')
    }),
    async drained() {
      const deadline = clock.monotonic() + drainTimeoutMs
      for (const message of open) if (message.isLost()) open.delete(message)
      lastReceivedAt = clock.monotonic()
      for (let waitMs = quietMs; waitMs > 0; waitMs = untilQuietMs(deadline)) {
        await wait(clock, waitMs)
        await settledBy(deadline)
      }
    },
  }
}

function createHandlerLog(clock: Clock, logger: Logger): (error: unknown) => void {
  let last: unknown
  const say = createQuietLog(clock, saidEveryMs, (count) => {
    logger.error({ err: last, count }, 'a message handler threw; the message will come again')
  })
  return (error) => {
    last = error
    say()
  }
}

/**
 * A delivered message. It is a class because one is made per message, and methods cost no closures.
 */
class OpenMessage implements Message {
  readonly body: Buffer
  readonly attempts: number
  readonly #raw: NsqjsMessage
  readonly #cork: () => void
  readonly #settled: (message: OpenMessage) => void
  #isOpen = true

  constructor(raw: NsqjsMessage, cork: () => void, settled: (message: OpenMessage) => void) {
    this.body = raw.body
    this.attempts = raw.attempts
    this.#raw = raw
    this.#cork = cork
    this.#settled = settled
  }

  finish(): void {
    if (this.#settle()) this.#raw.finish()
  }

  requeue(delayMs: number): void {
    // Without `false` nsqjs stops the whole reader for seconds.
    if (this.#settle()) this.#raw.requeue(delayMs, false)
  }

  touch(): void {
    if (this.#isOpen && !this.isLost()) this.#raw.touch()
  }

  /**
   * Tells whether its time is over: nsqd has taken it back, and an answer would only be an error.
   */
  isLost(): boolean {
    return this.#raw.timeUntilTimeout() === null
  }

  /** Settles the message. Returns whether nsqd must still be told. */
  #settle(): boolean {
    if (!this.#isOpen) return false
    this.#isOpen = false
    const isLost = this.isLost()
    if (!isLost) this.#cork()
    this.#settled(this)
    return !isLost
  }
}
