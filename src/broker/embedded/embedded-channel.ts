import type { Cancel, Clock } from '../../clock.ts'
import type { Logger } from '../../logger.ts'
import type { Message } from '../broker.ts'
import { Fifo } from './fifo.ts'
import { createQuietLog } from '../nsq/quiet-log.ts'

/**
 * This file has one channel of the embedded broker: its queue, its deliveries and its consumers. It
 * treats a consumer as an nsqd channel does, with redeliveries and reordering.
 */

/** Faults of a real broker, as shares of all messages. */
export interface EmbeddedFaults {
  /** The share of messages overtaken by one queued behind them. */
  readonly reorderRate: number
  /**
   * The share of messages delivered once more within the message timeout although they were
   * finished.
   */
  readonly lostFinishRate: number
}

export interface ChannelOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** Runs a task soon, never at once. */
  readonly defer: (task: () => void) => void
  /** Returns the faults of this moment. */
  readonly faults: () => EmbeddedFaults
  readonly messageTimeoutMs: number
}

/** The receiving end of a subscription; it outlives its channel when the topic is deleted. */
export interface Consumer {
  readonly inFlightMax: number
  readonly onMessage: (message: Message) => void
  /** The number of messages delivered and not settled. */
  inFlight: number
  state: 'open' | 'draining' | 'closed'
  /** Called when `inFlight` falls to 0. */
  whenIdle: () => void
}

/** A message is dropped after this many attempts, as nsqjs does with maxAttempts 5. */
const attemptsMax = 5
/** A message may overtake at most this many others. */
const reorderDistanceMax = 32
const saidEveryMs = 1_000

export class EmbeddedChannel {
  readonly #options: ChannelOptions
  readonly #queue = new Fifo<Delivery>()
  /** Oldest deadline first: the timeout is the same for all, and a touch moves to the end. */
  readonly #inFlight = new Set<Delivery>()
  /** The timers of messages requeued with a delay. */
  readonly #waiting = new Set<Cancel>()
  /** The consumers; the first receives, the others stand by. */
  readonly #consumers: Consumer[] = []
  readonly #saidDropped: () => void
  readonly #saidThrown: (error: unknown) => void
  #isScheduled = false
  #cancelTimeout: Cancel | undefined

  constructor(options: ChannelOptions) {
    const { logger } = options
    this.#options = options
    let lastError: unknown
    this.#saidDropped = createQuietLog(options.clock, saidEveryMs, (count) => {
      logger.error({ count, attemptsMax }, 'gave up on messages')
    })
    const thrown = createQuietLog(options.clock, saidEveryMs, (count) => {
      logger.error(
        { err: lastError, count },
        'a message handler threw; the message will come again',
      )
    })
    this.#saidThrown = (error) => {
      lastError = error
      thrown()
    }
  }

  /** The number of messages queued, delivered or waiting for another delivery. */
  get depth(): number {
    return this.#queue.length + this.#inFlight.size + this.#waiting.size
  }

  get hasConsumers(): boolean {
    return this.#consumers.length > 0
  }

  put(body: Buffer): void {
    this.#queue.push(new Delivery(this, body, 1))
  }

  attach(consumer: Consumer): void {
    this.#consumers.push(consumer)
    this.schedule()
  }

  /**
   * Removes a consumer. Its unfinished messages come again after the timeout, as after a lost
   * connection.
   */
  detach(consumer: Consumer): void {
    const position = this.#consumers.indexOf(consumer)
    if (position !== -1) this.#consumers.splice(position, 1)
    this.schedule()
  }

  isActive(consumer: Consumer): boolean {
    return this.#consumers[0] === consumer
  }

  /** Forgets all messages and consumers; late answers are ignored. */
  destroy(): void {
    this.#cancelTimeout?.()
    for (const cancel of this.#waiting) cancel()
    for (const delivery of this.#inFlight) this.#release(delivery)
    this.#waiting.clear()
    this.#queue.clear()
    this.#consumers.length = 0
  }

  /**
   * Schedules one delivery per tick, so that the consumer gets all messages of the tick together.
   */
  schedule(): void {
    if (this.#isScheduled || this.#queue.length === 0 || !this.#canHandOut()) return
    this.#isScheduled = true
    this.#options.defer(() => {
      this.#isScheduled = false
      this.#handOut()
    })
  }

  finished(delivery: Delivery): void {
    if (!this.#settle(delivery)) return
    const { faults, messageTimeoutMs, random } = this.#options
    const { lostFinishRate } = faults()
    if (lostFinishRate > 0 && random() < lostFinishRate) {
      this.#putLater(delivery, random() * messageTimeoutMs)
    }
    this.schedule()
  }

  requeued(delivery: Delivery, delayMs: number): void {
    if (!this.#settle(delivery)) return
    if (delayMs <= 0) this.#queue.push(new Delivery(this, delivery.body, delivery.attempts + 1))
    else this.#putLater(delivery, delayMs)
    this.schedule()
  }

  touched(delivery: Delivery): void {
    if (!this.#inFlight.delete(delivery)) return
    delivery.deadline = this.#options.clock.monotonic() + this.#options.messageTimeoutMs
    this.#inFlight.add(delivery)
  }

  #canHandOut(): boolean {
    const consumer = this.#consumers[0]
    return consumer?.state === 'open' && consumer.inFlight < consumer.inFlightMax
  }

  #handOut(): void {
    const deadline = this.#options.clock.monotonic() + this.#options.messageTimeoutMs
    // Only messages queued before this are delivered: a publishing handler must not keep the event
    // loop busy.
    for (let count = this.#queue.length; count > 0 && this.#canHandOut(); count--) {
      const delivery = this.#take()
      const consumer = this.#consumers[0]
      if (delivery === undefined || consumer === undefined) break
      if (delivery.attempts > attemptsMax) this.#saidDropped()
      else this.#give(delivery, consumer, deadline)
    }
    this.#watchTimeouts()
    this.schedule()
  }

  #take(): Delivery | undefined {
    const { faults, random } = this.#options
    const { reorderRate } = faults()
    if (reorderRate > 0 && this.#queue.length > 1 && random() < reorderRate) {
      const distance = Math.min(this.#queue.length - 1, reorderDistanceMax)
      this.#queue.swapWithFirst(1 + Math.floor(random() * distance))
    }
    return this.#queue.shift()
  }

  #give(delivery: Delivery, consumer: Consumer, deadline: number): void {
    delivery.consumer = consumer
    delivery.deadline = deadline
    this.#inFlight.add(delivery)
    consumer.inFlight += 1
    try {
      consumer.onMessage(delivery)
    } catch (error) {
      this.#saidThrown(error)
    }
  }

  /**
   * Tells whether an answer counts: it is the first, in time, and its consumer is still connected.
   */
  #settle(delivery: Delivery): boolean {
    if (delivery.consumer?.state === 'closed') return false
    if (!this.#inFlight.has(delivery)) return false
    this.#release(delivery)
    return true
  }

  #release(delivery: Delivery): void {
    this.#inFlight.delete(delivery)
    const { consumer } = delivery
    if (consumer === undefined) return
    consumer.inFlight -= 1
    if (consumer.inFlight === 0) consumer.whenIdle()
  }

  #putLater(delivery: Delivery, ms: number): void {
    const cancel = this.#options.clock.after(ms, () => {
      this.#waiting.delete(cancel)
      this.#queue.push(new Delivery(this, delivery.body, delivery.attempts + 1))
      this.schedule()
    })
    this.#waiting.add(cancel)
  }

  /** Sets one timer for all messages in flight, to the deadline of the oldest. */
  #watchTimeouts(): void {
    const [oldest] = this.#inFlight
    if (oldest === undefined || this.#cancelTimeout !== undefined) return
    const { clock } = this.#options
    this.#cancelTimeout = clock.after(Math.max(oldest.deadline - clock.monotonic(), 0), () => {
      this.#cancelTimeout = undefined
      this.#expire(clock.monotonic())
      this.#watchTimeouts()
      this.schedule()
    })
  }

  #expire(now: number): void {
    for (const delivery of this.#inFlight) {
      if (delivery.deadline > now) return
      this.#release(delivery)
      this.#queue.push(new Delivery(this, delivery.body, delivery.attempts + 1))
    }
  }
}

/** A delivery of a message. It is a class because one is made per message. */
class Delivery implements Message {
  readonly body: Buffer
  readonly attempts: number
  deadline = 0
  consumer: Consumer | undefined = undefined
  readonly #channel: EmbeddedChannel

  constructor(channel: EmbeddedChannel, body: Buffer, attempts: number) {
    this.#channel = channel
    this.body = body
    this.attempts = attempts
  }

  finish(): void {
    this.#channel.finished(this)
  }

  requeue(delayMs: number): void {
    this.#channel.requeued(this, delayMs)
  }

  touch(): void {
    this.#channel.touched(this)
  }
}
