import { BrokerUnavailableError, type Broker, type Message } from '../broker/broker.ts'
import { wait, type Clock } from '../clock.ts'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import type { Logger } from '../logger.ts'
import { addToCartResultTopic } from '../messaging/topics.ts'
import type { AddToCart } from '../messaging/messages.ts'
import type { MessageCodec } from '../messaging/envelope.ts'

/**
 * Publishes outcomes to the API nodes of their requests and then finishes the messages, never in
 * the other order. While the broker is away it keeps the messages: given back they would come as
 * redelivered, and shoppers who are sold out would be told `too_late`.
 */
export interface OutcomeTeller {
  /** Publishes in the background, so that the transaction of the next batch need not wait. */
  tell(all: readonly Decided[]): void
  /** Waits until all outcomes are published. Messages whose next try fails are given back. */
  stop(): Promise<void>
}

/** A received message with the outcome of its request. */
export interface Decided {
  readonly message: Message
  readonly request: AddToCart
  readonly outcome: AddToCartOutcome
}

export interface OutcomeTellerOptions {
  /** The name of this worker. */
  readonly nodeId: string
  readonly broker: Broker
  readonly codec: MessageCodec
  readonly clock: Clock
  readonly logger: Logger
  /** After this no shopper waits for an outcome, ms, and the messages are given back. */
  readonly maxAgeMs: number
}

const retryDelayMs = 250
const requeueDelayMs = 1_000

export function createOutcomeTeller(options: OutcomeTellerOptions): OutcomeTeller {
  const { broker, codec, clock, logger, maxAgeMs, nodeId: worker } = options
  const tellings = new Set<Promise<void>>()
  /** All outcomes wait for the same moment and continue in their order. */
  let pause: Promise<void> | undefined
  let isFailing = false
  let stopped = false

  function tell(all: readonly Decided[]): void {
    for (const [nodeId, some] of groupByNode(all)) {
      const telling = publishThenFinish(nodeId, some)
      tellings.add(telling)
      void telling.then(() => tellings.delete(telling))
    }
  }

  async function publishThenFinish(nodeId: string, some: readonly Decided[]): Promise<void> {
    const topic = addToCartResultTopic(nodeId)
    const outcomes = some.map(({ request, outcome }) => ({ requestId: request.requestId, outcome }))
    try {
      const result = { outcomes, nodeId: worker, sentAt: clock.now() }
      await publish(topic, codec.seal('add_to_cart_result', topic, result), some)
      for (const { message } of some) message.finish()
    } catch (error) {
      logger.warn({ err: error, nodeId, outcomes: some.length }, 'outcomes given back untold')
      for (const { message } of some) message.requeue(requeueDelayMs)
    }
  }

  async function publish(topic: string, body: Buffer, some: readonly Decided[]): Promise<void> {
    const givesUpAt = clock.monotonic() + maxAgeMs
    for (;;) {
      // The outcome of a redelivery must not overtake the one of the first delivery, which still
      // waits.
      while (pause !== undefined) await pause
      try {
        await broker.publish(topic, [body])
        isFailing = false
        return
      } catch (error) {
        const isWorthWaiting = error instanceof BrokerUnavailableError && !stopped
        if (!isWorthWaiting || clock.monotonic() >= givesUpAt) throw error
        waitForBroker(error)
      }
      for (const { message } of some) message.touch()
    }
  }

  function waitForBroker(error: BrokerUnavailableError): void {
    if (!isFailing) logger.warn({ err: error }, 'outcomes not published, waiting')
    isFailing = true
    pause ??= wait(clock, retryDelayMs).then(() => {
      pause = undefined
    })
  }

  return {
    tell,
    async stop() {
      stopped = true
      await Promise.all(tellings)
    },
  }
}

function groupByNode(all: readonly Decided[]): ReadonlyMap<string, Decided[]> {
  const groups = new Map<string, Decided[]>()
  for (const each of all) {
    const group = groups.get(each.request.nodeId)
    if (group === undefined) groups.set(each.request.nodeId, [each])
    else group.push(each)
  }
  return groups
}
