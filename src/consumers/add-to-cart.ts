import { createBatcher } from '../batcher.ts'
import type { Message } from '../broker/broker.ts'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import type { Logger } from '../logger.ts'
import { isForOtherProduct, type AddToCart } from '../messaging/messages.ts'
import type { ClockSkew } from '../messaging/clock-skew.ts'
import type { MessageCodec } from '../messaging/envelope.ts'
import type { Park } from '../messaging/parking.ts'
import type { Decider } from './decide.ts'
import type { Decided, OutcomeTeller } from './tell-outcomes.ts'

/**
 * Receives add-to-cart requests from the channels of all products sold here, has them decided batch
 * by batch, sends the outcomes to the API nodes they came from, then finishes the messages. It
 * never tells an outcome before the commit and never finishes before the outcome is published.
 */
export interface AddToCartConsumer {
  /** Takes one message from the channel of `productId`. */
  receive(topic: string, productId: number, message: Message): void
  /** Waits until everything received is decided, told and finished. */
  stop(): Promise<void>
}

export interface AddToCartConsumerOptions {
  readonly codec: MessageCodec
  readonly decider: Decider
  readonly teller: OutcomeTeller
  readonly park: Park
  readonly clockSkew: ClockSkew
  readonly logger: Logger
  readonly defer: (task: () => void) => void
}

const batchSizeMax = 512

interface Received {
  readonly message: Message
  readonly attempts: number
  readonly request: AddToCart
}

export function createAddToCartConsumer(options: AddToCartConsumerOptions): AddToCartConsumer {
  const { codec, decider, teller, park, logger, clockSkew } = options
  const batcher = createBatcher<Received>({ run: decide, batchSizeMax, defer: options.defer })
  let stopped = false

  function receive(topic: string, productId: number, message: Message): void {
    if (isForOtherProduct(message.body, productId)) {
      message.finish()
      return
    }
    const opened = codec.open('add_to_cart', topic, message.body)
    if (opened.readable && opened.message.productId === productId) {
      batcher.add({ message, attempts: message.attempts, request: opened.message })
      return
    }
    if (!opened.readable) park('add_to_cart', opened.reason, message.body)
    message.finish()
  }

  async function decide(batch: readonly Received[]): Promise<void> {
    // The last one has waited the least.
    const newest = batch.at(-1)?.request
    if (newest !== undefined) clockSkew.observe(newest.nodeId, newest.sentAt)
    const refused: Decided[] = []
    const undecided: Received[] = []
    for (const received of batch) {
      const outcome = decider.refuse(received)
      if (outcome === undefined) undecided.push(received)
      else refused.push({ ...received, outcome })
    }
    teller.tell(refused)
    if (undecided.length > 0) await ask(undecided)
  }

  async function ask(batch: readonly Received[]): Promise<void> {
    const touchAll = (): void => {
      for (const { message } of batch) message.touch()
    }
    try {
      const answers = await decider.ask(batch, { onWait: touchAll, goOn: () => !stopped })
      teller.tell(batch.flatMap((received, index) => withOutcome(received, answers[index])))
    } catch (error) {
      // The process stops while the database is away, so the messages go back to the broker.
      logger.warn({ err: error, batchSize: batch.length }, 'batch given back undecided')
    }
  }

  function withOutcome(received: Received, outcome: AddToCartOutcome | undefined): Decided[] {
    if (outcome !== undefined) return [{ ...received, outcome }]
    park('add_to_cart', 'poison', received.message.body)
    received.message.finish()
    return []
  }

  async function stop(): Promise<void> {
    stopped = true
    await batcher.idle()
    await teller.stop()
  }

  return { receive, stop }
}
